# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# eBPF to C: docs/engine.md. Neither `all` nor `install` makes any of it yet.
#
#   make csd_translate        build/csd_translate PROGRAM.bpf.o -o OUT.c
#   make csd_translator_bench, csd_records_bench    what programs take; below
#   make check_translator     its tests; PROGRAMS=1000000 for more generated programs,
#                             PROGRAMS_SEED=7 for others
TRANSLATOR_SOURCES := $(addprefix translator/,csd_btf.c csd_check.c csd_emit.c csd_emit_buffer.c csd_emit_insn.c \
	csd_emit_maps.c csd_emit_records.c csd_helper.c csd_narrow.c csd_object.c csd_object_maps.c csd_object_read.c csd_source.c) \
	$(addprefix engine/,csd_elf.c csd_elf_file.c csd_refuse.c)
TRANSLATOR_HEADERS := $(wildcard translator/*.h translator/tests/*.h engine/csd_*.h) programs/csd_bpf.h worker/csd_call.h
TRANSLATOR_INCLUDES := -Itranslator -Iworker -I$(BUILD)/translator $(INCLUDES)

# What is translated is compiled so, and no other way. Of undefined behaviour of C the translator leaves none to a
# program that keeps to its memory; the flags from -fwrapv on are for the others. Zeros of a frame by vectors: `rep stos`,
# which gcc would take, is five times as slow for its 512 bytes. Aligned: without, the same loop ran at 0.70 to 0.87 of
# the native speed, as the place of its branches in cache lines fell.
TRANSLATED_MARCH ?= x86-64-v2
TRANSLATED_CFLAGS := -std=gnu11 -w -O3 -march=$(TRANSLATED_MARCH) -fwrapv -fwrapv-pointer -fno-strict-aliasing \
	-fno-delete-null-pointer-checks -fno-aggressive-loop-optimizations -ffreestanding -nostdlib -fPIC \
	-fno-stack-protector -fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables \
	-mmemset-strategy=vector_loop:-1:noalign -falign-loops=32 -falign-jumps=32 -falign-labels=16
# There is no library behind it: what asks for one is refused.
TRANSLATED_COMPILE := $(CC) $(TRANSLATED_CFLAGS) -Wl,--no-undefined

$(BUILD)/translator $(BUILD)/translator/checked:
	mkdir -p $@

# The prelude as a string, in this order. It includes nothing.
TRANSLATOR_PRELUDE := translator/csd_prelude.h worker/csd_call.h $(addprefix translator/csd_prelude_,trace.h helpers.h maps.h \
	records.h buffer.h)
$(BUILD)/translator/csd_prelude.inc: $(TRANSLATOR_PRELUDE) translator/translator.mk | $(BUILD)/translator
	cat $(TRANSLATOR_PRELUDE) | sed '/^#include/d; s/[\\"]/\\&/g; s/.*/"&\\n"/' >$@

TRANSLATOR_OBJECTS := $(patsubst %.c,$(BUILD)/translator/%.o,$(notdir $(TRANSLATOR_SOURCES)))
TRANSLATOR_CHECKED := $(TRANSLATOR_OBJECTS:$(BUILD)/translator/%=$(BUILD)/translator/checked/%)

vpath csd_%.c translator engine
$(BUILD)/translator/csd_%.o: csd_%.c $(TRANSLATOR_HEADERS) $(BUILD)/translator/csd_prelude.inc
	$(CC) $(CFLAGS) $(WARNINGS) $(TRANSLATOR_INCLUDES) -c $< -o $@

$(BUILD)/translator/checked/csd_%.o: csd_%.c $(TRANSLATOR_HEADERS) $(BUILD)/translator/csd_prelude.inc | $(BUILD)/translator/checked
	$(CC) $(SANITIZE) $(WARNINGS) $(TRANSLATOR_INCLUDES) -c $< -o $@

$(BUILD)/csd_translate: translator/csd_translate.c $(TRANSLATOR_OBJECTS)
	$(CC) $(CFLAGS) $(WARNINGS) $(TRANSLATOR_INCLUDES) $^ -o $@

.PHONY: csd_translate csd_translator_bench
csd_translate: $(BUILD)/csd_translate

# --- tests: translator and tests under sanitizers; what they translate is compiled as above, and once more without any
# flag that defines what C does not, under UBSan. And at -O1, where gcc shares registers otherwise: both faults of its
# own atomics show there.

TRANSLATOR_TEST_INCLUDES := $(TRANSLATOR_INCLUDES) -Itranslator/tests -Itranslator/tests/loops -Iengine/tests
TRANSLATED_STRICT := -std=gnu11 -w -O1 -fPIC -fsanitize=undefined -fno-sanitize-recover=all

$(BUILD)/translator/checked/%.o: translator/tests/%.c $(wildcard translator/tests/*.h) $(TRANSLATOR_HEADERS) | $(BUILD)/translator/checked
	$(CC) $(SANITIZE) $(WARNINGS) $(TRANSLATOR_TEST_INCLUDES) -c $< -o $@

TRANSLATOR_TESTS := test_refusals test_source fuzz_translator test_conformance test_generated test_programs test_geometries \
	test_buffers
TRANSLATOR_BATCH := $(addprefix $(BUILD)/translator/checked/,batch.o rfc9669.o) $(TRANSLATOR_CHECKED)

$(BUILD)/translator/test_conformance: $(BUILD)/translator/checked/test_conformance.o $(TRANSLATOR_BATCH)
	$(CC) $(SANITIZE) $^ -ldl -o $@

$(BUILD)/translator/test_generated: $(addprefix $(BUILD)/translator/checked/,test_generated.o generate.o) $(TRANSLATOR_BATCH)
	$(CC) $(SANITIZE) $^ -ldl -o $@

# Programs in C: for each eBPF that clang 14 knows, translated (the last once more strictly), and natively.
TRANSLATED_CPUS := v1 v2 v3
TRANSLATED_SOURCES := $(wildcard translator/tests/programs/*.bpf.c translator/tests/loops/*.bpf.c programs/*.bpf.c)
TRANSLATED_NAMES := $(patsubst %.bpf.c,%,$(notdir $(TRANSLATED_SOURCES)))
TRANSLATED_LIBRARIES := $(foreach cpu,$(TRANSLATED_CPUS) strict native,$(TRANSLATED_NAMES:%=$(BUILD)/translator/$(cpu)/%.so))
TRANSLATED_HEADERS := programs/csd_bpf.h programs/sensor.h translator/tests/loops/loop.h translator/tests/programs/context.h \
	translator/tests/beside.h
TRANSLATED_BPF = $(filter-out -mcpu=%,$(BPF_CFLAGS)) -Itranslator/tests -Itranslator/tests/loops
# What a map's declaration says is in debug information.
$(TRANSLATED_CPUS:%=$(BUILD)/translator/%/maps.bpf.o): TRANSLATED_BPF += -g

vpath %.bpf.c translator/tests/programs translator/tests/loops programs
$(TRANSLATED_CPUS:%=$(BUILD)/translator/%) $(BUILD)/translator/strict $(BUILD)/translator/native:
	mkdir -p $@

define TRANSLATED_CPU
$(BUILD)/translator/$(1)/%.bpf.o: %.bpf.c $(TRANSLATED_HEADERS) | $(BUILD)/translator/$(1)
	$$(CLANG) $$(TRANSLATED_BPF) -mcpu=$(1) -c $$< -o $$@
endef
$(foreach cpu,$(TRANSLATED_CPUS),$(eval $(call TRANSLATED_CPU,$(cpu))))

$(BUILD)/translator/%.tr.c: $(BUILD)/translator/%.bpf.o $(BUILD)/csd_translate
	$(BUILD)/csd_translate $< -o $@

# Of this file: the flags are in it.
$(BUILD)/translator/%.so: $(BUILD)/translator/%.tr.c translator/translator.mk
	$(TRANSLATED_COMPILE) -shared $< -o $@

$(BUILD)/translator/strict/%.so: $(BUILD)/translator/v3/%.tr.c translator/translator.mk | $(BUILD)/translator/strict
	$(CC) $(TRANSLATED_STRICT) -shared $< -o $@

$(BUILD)/translator/native/%.so: %.bpf.c translator/tests/beside.c $(TRANSLATED_HEADERS) | $(BUILD)/translator/native
	$(CC) $(CFLAGS) -fPIC -shared -DCSD_NATIVE -Iprograms -Itranslator/tests -Itranslator/tests/loops $< translator/tests/beside.c -o $@

$(BUILD)/translator/checked/test_programs.o: $(addprefix translator/tests/loops/,data.h run.h)
$(BUILD)/translator/checked/test_buffers.o: translator/tests/programs/context.h
$(BUILD)/translator/test_programs $(BUILD)/translator/test_buffers: \
		$(BUILD)/translator/%: $(addprefix $(BUILD)/translator/checked/,%.o parts.o)
	$(CC) $(SANITIZE) $^ -ldl -o $@

# One program in all geometries: the translator is in the test.
$(BUILD)/translator/test_geometries: $(addprefix $(BUILD)/translator/checked/,test_geometries.o parts.o) $(TRANSLATOR_CHECKED)
	$(CC) $(SANITIZE) $^ -ldl -o $@

# What is refused.
TRANSLATOR_BAD := $(patsubst translator/tests/bad/%.bpf.c,$(BUILD)/translator/bad/%.bpf.o,$(wildcard translator/tests/bad/*.bpf.c))
# CO-RE's records and what maps are come with debug information alone.
$(BUILD)/translator/bad/core.bpf.o $(filter $(BUILD)/translator/bad/map_%,$(TRANSLATOR_BAD)): TRANSLATED_BPF += -g

$(BUILD)/translator/bad/%.bpf.o: translator/tests/bad/%.bpf.c programs/csd_bpf.h
	@mkdir -p $(@D)
	$(CLANG) $(TRANSLATED_BPF) -mcpu=v3 -c $< -o $@

$(BUILD)/translator/test_refusals $(BUILD)/translator/test_source $(BUILD)/translator/fuzz_translator: \
		$(BUILD)/translator/%: $(BUILD)/translator/checked/%.o $(TRANSLATOR_CHECKED)
	$(CC) $(SANITIZE) $^ -o $@

TRANSLATOR_SEEDS := $(foreach cpu,$(TRANSLATED_CPUS),$(TRANSLATED_NAMES:%=$(BUILD)/translator/$(cpu)/%.bpf.o))

# Lines of C: clang -g writes them.
$(BUILD)/translator/places.bpf.o $(BUILD)/translator/places_plain.bpf.o: translator/tests/places.bpf.c programs/csd_bpf.h | $(BUILD)/translator
	$(CLANG) $(TRANSLATED_BPF) $(if $(findstring plain,$@),,-g) -mcpu=v3 -c $(abspath $<) -o $@

# How many programs test_generated makes, and mutants fuzz_translator; and where their chances begin.
PROGRAMS ?= 800
PROGRAMS_SEED ?= $(FUZZ_SEED)
TRANSLATOR_MUTANTS ?= 20000

.PHONY: check_translator
check_translator: $(BUILD)/csd_translate $(TRANSLATOR_TESTS:%=$(BUILD)/translator/%) $(TRANSLATED_LIBRARIES) $(TRANSLATOR_BAD) \
		$(BUILD)/translator/places.bpf.o $(BUILD)/translator/places_plain.bpf.o
	! $(BUILD)/csd_translate $(BUILD)/translator/bad/helper.bpf.o -o $(BUILD)/translator/refused.c 2>$(BUILD)/translator/refused
	grep -q 'helper.bpf.o: instruction .* calls helper 35: ' $(BUILD)/translator/refused && test ! -e $(BUILD)/translator/refused.c
	$(BUILD)/translator/test_refusals $(addprefix $(BUILD)/translator/,v3/closest.bpf.o v3/maps.bpf.o bad)
	$(BUILD)/translator/test_source $(BUILD)/translator/places.bpf.o $(BUILD)/translator/places_plain.bpf.o 2000 $(PROGRAMS_SEED)
	$(BUILD)/translator/fuzz_translator $(BUILD)/translator '$(CC) $(TRANSLATED_CFLAGS)' $(TRANSLATOR_MUTANTS) \
		$(PROGRAMS_SEED) $(TRANSLATOR_SEEDS)
	$(BUILD)/translator/test_programs $(BUILD)/translator $(TRANSLATED_CPUS) strict
	$(BUILD)/translator/test_buffers $(BUILD)/translator $(TRANSLATED_CPUS) strict
	$(BUILD)/translator/test_geometries $(BUILD)/translator geometries '$(TRANSLATED_COMPILE)'
	$(BUILD)/translator/test_geometries $(BUILD)/translator strict '$(CC) $(TRANSLATED_STRICT)'
	$(BUILD)/translator/test_conformance $(BUILD)/translator conformance '$(TRANSLATED_COMPILE)'
	$(BUILD)/translator/test_conformance $(BUILD)/translator fallback '$(TRANSLATED_COMPILE) -O1'
	$(BUILD)/translator/test_conformance $(BUILD)/translator strict '$(CC) $(TRANSLATED_STRICT)'
	$(BUILD)/translator/test_generated $(BUILD)/translator strict '$(CC) $(TRANSLATED_STRICT)' 200 $(PROGRAMS_SEED)
	$(BUILD)/translator/test_generated $(BUILD)/translator fallback '$(TRANSLATED_COMPILE) -O1' 200 $(PROGRAMS_SEED)
	$(BUILD)/translator/test_generated $(BUILD)/translator generated '$(TRANSLATED_COMPILE)' $(PROGRAMS) $(PROGRAMS_SEED)

CHECKS += check_translator

# --- loops, translated and natively, timed by turns: `make csd_translator_bench`, then
#	build/csd_translator_bench build/translator
LOOP_NAMES := $(patsubst %.bpf.c,%,$(notdir $(wildcard translator/tests/loops/*.bpf.c)))

$(BUILD)/csd_translator_bench: translator/csd_translator_bench.c $(addprefix translator/tests/loops/,data.h run.h) $(TRANSLATOR_HEADERS) \
		translator/translator.mk | $(BUILD)/translator
	$(CC) $(CFLAGS) $(WARNINGS) $(TRANSLATOR_TEST_INCLUDES) \
		-DBENCH_LOOPS='"$(LOOP_NAMES)"' -DBENCH_NATIVE='"$(CFLAGS)"' -DBENCH_TRANSLATED='"$(TRANSLATED_CFLAGS)"' $< -ldl -lm -o $@

csd_translator_bench: $(BUILD)/csd_translator_bench $(foreach cpu,v3 native,$(LOOP_NAMES:%=$(BUILD)/translator/$(cpu)/%.so))

# The shipped record programs, translated and by today's engine, timed by turns: `make csd_records_bench`, then
#	build/csd_records_bench build/programs build/translator/v2
$(BUILD)/csd_records_bench: translator/csd_records_bench.c translator/bench.h worker/csd_call.h $(addprefix $(BUILD)/programs/,csd_record.o csd_native.o) \
		$(ENGINE_LIBS) $(ENGINE_ALONE)
	$(CC) $(CFLAGS) $(WARNINGS) -Iworker $(INCLUDES) $(filter-out %.h,$^) -ldl -lm -o $@

.PHONY: csd_records_bench
csd_records_bench: $(BUILD)/csd_records_bench $(PROGRAM_OBJECTS) $(PROGRAM_NAMES:%=$(BUILD)/translator/v2/%.so)
