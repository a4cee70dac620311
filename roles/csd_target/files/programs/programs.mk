# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# The programs that are shipped, and their tests; bench/bench.mk has their bench.
PROGRAM_NAMES := $(patsubst programs/%.bpf.c,%,$(wildcard programs/*.bpf.c))
PROGRAM_OBJECTS := $(PROGRAM_NAMES:%=$(BUILD)/programs/%.bpf.o)

CLANG ?= clang
# No debug information: the object depends on the source and clang alone, not on the folder in which it was made.
BPF_CFLAGS := -O2 -target bpf -mcpu=v2 -Wall -Wextra -Werror -Iprograms -I/usr/include/$(shell $(CC) -print-multiarch)

$(BUILD)/programs:
	mkdir -p $@

$(BUILD)/programs/%.bpf.o: programs/%.bpf.c programs/csd_bpf.h programs/sensor.h | $(BUILD)/programs
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

ALL += $(PROGRAM_OBJECTS)

# For workers, those of programs/buffer too: with BTF, and with no path of this machine. As csd_program_build compiles them: by
# absolute paths, which clang 19 takes another way than others, and from one folder, for clang 14 maps none within another.
LLVM_STRIP ?= llvm-strip
WORKER_SOURCE = $(abspath $(BUILD))/programs/source
WORKER_BPF = $(filter-out -mcpu=% -Iprograms,$(BPF_CFLAGS)) -I$(WORKER_SOURCE) -mcpu=v3 -g -fdebug-compilation-dir=. \
	-ffile-prefix-map=$(WORKER_SOURCE)/=
WORKER_SOURCES := $(wildcard programs/*.bpf.c programs/*.h programs/buffer/*.bpf.c programs/buffer/*.h)
WORKER_OBJECTS := $(patsubst %.bpf.c,$(BUILD)/programs/workers/%.bpf.o,$(notdir $(filter %.bpf.c,$(WORKER_SOURCES))))

$(BUILD)/programs/source: $(WORKER_SOURCES)
	rm -rf $@
	install -D -m 644 -t $@ $^

$(BUILD)/programs/workers:
	mkdir -p $@

$(BUILD)/programs/workers/%.bpf.o: $(BUILD)/programs/source | $(BUILD)/programs/workers
	$(CLANG) $(WORKER_BPF) -c $(WORKER_SOURCE)/$*.bpf.c -o $@
	$(LLVM_STRIP) -g $@

ALL += $(WORKER_OBJECTS)

.PHONY: install_programs
install_programs: $(PROGRAM_OBJECTS) $(WORKER_OBJECTS)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,programs/workers include)
	install -m 644 $(PROGRAM_OBJECTS) $(DESTDIR)$(PREFIX)/programs/
	install -m 644 $(WORKER_OBJECTS) $(DESTDIR)$(PREFIX)/programs/workers/
	install -m 644 programs/csd_bpf.h programs/buffer/csd_programs.h $(DESTDIR)$(PREFIX)/include/

INSTALLS += install_programs

# The objects are the same wherever they are built, so that a program is known by its digest.
.PHONY: check_programs
check_programs: $(PROGRAM_OBJECTS)
	rm -rf $(BUILD)/programs/elsewhere && mkdir $(BUILD)/programs/elsewhere
	cp programs/*.bpf.c programs/csd_bpf.h programs/sensor.h $(BUILD)/programs/elsewhere
	cd $(BUILD)/programs/elsewhere && for name in $(PROGRAM_NAMES); do \
		$(CLANG) $(BPF_CFLAGS) -c $$name.bpf.c -o $$name.bpf.o && cmp $$name.bpf.o ../$$name.bpf.o || exit 1; done

CHECKS += check_programs
