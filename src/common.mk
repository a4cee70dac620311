# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# What every room's makefile takes: flags, how an object is made, SPDK's libraries, where things are installed.
BUILD := build
SPDK ?= /opt/hello_ebpf/spdk/current
CLANG ?= clang
LLVM_STRIP ?= llvm-strip

# A named CPU baseline: the same binary runs on every machine of a fleet, and under emulation.
CFLAGS ?= -O3 -march=x86-64-v2 -g
WARNINGS := -std=gnu11 -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wpointer-arith
SANITIZE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# clang's bpf target does not look where Debian keeps <asm/types.h>.
MULTIARCH = /usr/include/$(shell $(CC) -print-multiarch)

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

# An object lies below $(BUILD) where its source lies here; below $(BUILD)/checked it is under AddressSanitizer and UBSan.
# INCLUDES and DEFINES are the room's.
INCLUDES := -Iprotocol -Icommon
DEFINES :=
COMPILE = $(CC) $(CFLAGS) $(1) $(WARNINGS) $(INCLUDES) $(DEFINES) -MMD -MP -c $< -o $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE)

$(BUILD)/checked/%.o: %.c
	@mkdir -p $(@D)
	$(call COMPILE,$(SANITIZE))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# $(call spdk,--libs,PACKAGE): looked up only when SPDK is needed, for the tests do without.
spdk = $(or $(shell PKG_CONFIG_PATH=$(SPDK)/lib/pkgconfig pkg-config $(1) $(2)),\
	$(error no SPDK in $(SPDK): build it first (role spdk), or give SPDK=folder))
# Not ours: its headers' warnings are nobody's here.
spdk_includes = $(patsubst -I%,-isystem %,$(call spdk,--cflags,$(1)))

# $(call into,PRODUCT): the folder that a product is installed into.
into = $(DESTDIR)$(or $(PREFIX),/opt/hello_ebpf/$(1))
