# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# One rule for every program of this machine's kernel: NAME.bpf.c runs in the kernel, NAME.c loads it and shows what it finds.
# A new program is these two files and its name here. What more it is made of, NAME_PARTS says.
KERNEL_PROGRAMS += examples/bootstrap examples/minimal

BPFTOOL := sh examples/bpftool.sh
VMLINUX_BTF ?= /sys/kernel/btf/vmlinux
# A program gets its context whether it needs it or not.
KERNEL_CFLAGS := -O2 -g -target bpf -D__TARGET_ARCH_x86 -I$(BUILD) -isystem $(MULTIARCH) -Wall -Wextra -Werror -Wno-unused-parameter
# Looked up only when a program is built: the tests do without.
LIBBPF_CFLAGS = $(shell pkg-config --cflags libbpf)
LIBBPF_LIBS = $(shell pkg-config --libs libbpf)

# The running kernel's types. Programs built with them run on other kernels too (CO-RE).
$(BUILD)/vmlinux.h:
	@mkdir -p $(@D)
	$(BPFTOOL) btf dump file $(VMLINUX_BTF) format c > $@

define KERNEL_PROGRAM
$(BUILD)/$(1).bpf.o: $(1).bpf.c $(wildcard $(dir $(1))*.h) $(BUILD)/vmlinux.h
	@mkdir -p $$(@D)
	$$(CLANG) $$(KERNEL_CFLAGS) -c $$< -o $$@

$(BUILD)/$(1).skel.h: $(BUILD)/$(1).bpf.o
	$$(BPFTOOL) gen skeleton $$< name $(notdir $(1)) > $$@

$(BUILD)/$(1): $(1).c $($(1)_PARTS) $(wildcard $(dir $(1))*.h) $(BUILD)/$(1).skel.h
	$$(CC) $$(CFLAGS) $$(WARNINGS) -I$$(@D) $$(LIBBPF_CFLAGS) $$(filter %.c,$$^) -o $$@ $$(LDFLAGS) $$(LIBBPF_LIBS)
endef
$(foreach program,$(KERNEL_PROGRAMS),$(eval $(call KERNEL_PROGRAM,$(program))))

.PHONY: ebpf_examples install_ebpf_examples
all: ebpf_examples
ebpf_examples: $(KERNEL_PROGRAMS:%=$(BUILD)/%)

install_ebpf_examples: ebpf_examples
	install -d $(call into,examples)/bin
	install -m 755 $(KERNEL_PROGRAMS:%=$(BUILD)/%) $(call into,examples)/bin/
