# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# The programs, compiled on the builder: `csd_tgt --program-blobs` runs them on a node without a compiler
# (docs/workers.md).
COMPILED_PROGRAMS := $(BUILD)/programs/compiled

$(BUILD)/csd_blobs: $(addprefix $(BUILD)/$(COMPILER)/,csd_blobs.o csd_blob_get.o csd_cache.o) \
		$(addprefix $(BUILD)/$(WORKER)/,csd_blob.o csd_memory.o) $(BUILD)/$(TRANSLATOR)/csd_refuse.o
	$(CC) $(CFLAGS) $^ -lcrypto -lpthread -o $@

# By one process, for a cache is one's.
$(COMPILED_PROGRAMS)/identity: $(PROGRAM_OBJECTS) $(BUILD)/csd_blobs $(BUILD)/csd_compile
	rm -rf $(@D)
	$(BUILD)/csd_blobs $(abspath $(BUILD))/csd_compile $(@D) $(PROGRAM_OBJECTS)

.PHONY: install_compiled
csd_target: $(COMPILED_PROGRAMS)/identity
install_csd_target: install_compiled
install_compiled: $(COMPILED_PROGRAMS)/identity
	install -d $(call into,csd_target)/programs/compiled
	install -m 644 $(COMPILED_PROGRAMS)/* $(call into,csd_target)/programs/compiled/
