# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# The programs that are shipped, those of programs/buffer too: with BTF, and with no path of this machine, so that a program is
# known by its digest. As csd_program_build compiles them: by absolute paths, which clang 19 takes another way than others, and
# from one folder, for clang 14 maps none within another.
BPF_CFLAGS := -O2 -target bpf -mcpu=v3 -Wall -Wextra -Werror -I$(MULTIARCH)

PROGRAM_SOURCES := protocol/csd_bpf.h $(wildcard programs/*.bpf.c programs/*.h programs/buffer/*.bpf.c programs/buffer/*.h)
PROGRAM_FOLDER = $(abspath $(BUILD))/programs/source
PROGRAM_OBJECTS := $(patsubst %.bpf.c,$(BUILD)/programs/%.bpf.o,$(notdir $(filter %.bpf.c,$(PROGRAM_SOURCES))))

$(BUILD)/programs/source: $(PROGRAM_SOURCES)
	rm -rf $@
	install -D -m 644 -t $@ $^

$(BUILD)/programs/%.bpf.o: $(BUILD)/programs/source
	$(CLANG) $(BPF_CFLAGS) -I$(PROGRAM_FOLDER) -g -fdebug-compilation-dir=. -ffile-prefix-map=$(PROGRAM_FOLDER)/= \
		-c $(PROGRAM_FOLDER)/$*.bpf.c -o $@
	$(LLVM_STRIP) -g $@

.PHONY: install_programs
csd_target: $(PROGRAM_OBJECTS)
install_csd_target: install_programs
install_programs: $(PROGRAM_OBJECTS)
	install -d $(addprefix $(call into,csd_target)/,programs include)
	install -m 644 $(PROGRAM_OBJECTS) $(call into,csd_target)/programs/
	install -m 644 protocol/csd_bpf.h programs/buffer/csd_programs.h $(call into,csd_target)/include/
