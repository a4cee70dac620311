# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# The tool csd, in Python, and csd_nvme, through which it reaches a drive by SPDK's initiator.
#   make csd_host BRIDGE=no    without csd_nvme: nothing is compiled
BRIDGE ?= yes
CSD_HOST_BRIDGE := $(if $(filter yes,$(BRIDGE)),$(BUILD)/csd_nvme)
CSD_HOST_MODULES := $(patsubst python/%,%,$(wildcard $(addprefix python/csd/,*.py */*.py)))
CSD_HOST_SPDK := $(addprefix $(BUILD)/,host/csd_nvme.o common/csd_environment.o)
$(CSD_HOST_SPDK): INCLUDES = -Iprotocol -Icommon $(call spdk_includes,hello_spdk)

.PHONY: csd_host csd_nvme install_csd_host
all: csd_host
csd_host: $(CSD_HOST_BRIDGE)
csd_nvme: $(BUILD)/csd_nvme

$(BUILD)/csd_nvme: $(CSD_HOST_SPDK) $(addprefix $(BUILD)/common/,csd_error.o csd_probe.o)
	$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(call spdk,--libs,hello_spdk)

install_csd_host: csd_host
	install -D -m 755 host/csd $(call into,csd_host)/bin/csd
	install -D -m 644 host/csd.1 $(call into,csd_host)/share/man/man1/csd.1
	install -D -m 644 host/csd.bash $(call into,csd_host)/share/bash-completion/completions/csd
	for module in $(CSD_HOST_MODULES); do \
		install -D -m 644 python/$$module $(call into,csd_host)/lib/$$module || exit 1; \
	done
	$(if $(CSD_HOST_BRIDGE),install -m 755 $(CSD_HOST_BRIDGE) $(call into,csd_host)/bin/)
