# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# eBPF to C: docs/engine.md. What is installed of it is in csd_compile (compiler.mk).
#
#   make csd_translate        build/csd_translate PROGRAM.bpf.o -o OUT.c
#   make csd_translator_bench    what loops take; below
#   make check_translator     its tests; PROGRAMS=1000000 for more generated programs,
#                             PROGRAMS_SEED=7 for others
TRANSLATOR := engine/translator
TRANSLATOR_SOURCES := $(addprefix $(TRANSLATOR)/,csd_bare.c csd_btf.c csd_check.c csd_elf_file.c csd_emit.c csd_emit_buffer.c \
	csd_emit_insn.c csd_emit_maps.c csd_emit_records.c csd_geometry.c csd_helper.c csd_narrow.c csd_object.c csd_object_maps.c \
	csd_object_read.c csd_refuse.c csd_source.c)
TRANSLATOR_OBJECTS := $(TRANSLATOR_SOURCES:%.c=$(BUILD)/%.o)
TRANSLATOR_CHECKED := $(TRANSLATOR_SOURCES:%.c=$(BUILD)/checked/%.o)
TRANSLATOR_TESTED := $(BUILD)/checked/$(TRANSLATOR)/tests

# All of the engine: its parts' headers have names of their own.
ENGINE_INCLUDES := $(INCLUDES) $(addprefix -Iengine/,translator compiler confine worker) $(addprefix -I$(BUILD)/,translator compiler)
ENGINE_TEST_INCLUDES := $(ENGINE_INCLUDES) -I$(TRANSLATOR)/tests -I$(TRANSLATOR)/tests/loops
ENGINE_HEADERS := $(wildcard protocol/*.h common/*.h engine/*/*.h engine/*/tests/*.h)
$(BUILD)/engine/% $(BUILD)/checked/engine/%: INCLUDES = $(ENGINE_INCLUDES)
$(foreach part,translator compiler worker,$(BUILD)/checked/engine/$(part)/tests/%): INCLUDES = $(ENGINE_TEST_INCLUDES)

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

$(BUILD)/translator:
	mkdir -p $@

# The prelude as a string, in this order. It includes nothing.
TRANSLATOR_PRELUDE := $(TRANSLATOR)/csd_prelude.h engine/worker/csd_call.h $(addprefix $(TRANSLATOR)/csd_prelude_,trace.h helpers.h \
	maps.h records.h buffer.h)
$(BUILD)/translator/csd_prelude.inc: $(TRANSLATOR_PRELUDE) $(TRANSLATOR)/translator.mk | $(BUILD)/translator
	cat $(TRANSLATOR_PRELUDE) | sed '/^#include/d; s/[\\"]/\\&/g; s/.*/"&\\n"/' >$@
$(addsuffix /$(TRANSLATOR)/csd_emit.o,$(BUILD) $(BUILD)/checked): $(BUILD)/translator/csd_prelude.inc

$(BUILD)/csd_translate: $(BUILD)/$(TRANSLATOR)/csd_translate.o $(TRANSLATOR_OBJECTS)
	$(CC) $(CFLAGS) $^ -o $@

.PHONY: csd_translate csd_translator_bench
csd_translate: $(BUILD)/csd_translate

# --- tests: translator and tests under sanitizers; what they translate is compiled as above, and once more without any
# flag that defines what C does not, under UBSan. And at -O1, where gcc shares registers otherwise: both faults of its
# own atomics show there.

TRANSLATED_STRICT := -std=gnu11 -w -O1 -fPIC -fsanitize=undefined -fno-sanitize-recover=all

TRANSLATOR_BATCH := $(addprefix $(TRANSLATOR_TESTED)/,batch.o rfc9669.o) $(TRANSLATOR_CHECKED)

$(BUILD)/translator/test_conformance: $(TRANSLATOR_TESTED)/test_conformance.o $(TRANSLATOR_BATCH)
	$(CC) $(SANITIZE) $^ -ldl -o $@

$(BUILD)/translator/test_generated: $(addprefix $(TRANSLATOR_TESTED)/,test_generated.o generate.o) $(TRANSLATOR_BATCH)
	$(CC) $(SANITIZE) $^ -ldl -o $@

# Programs in C: for each eBPF that clang 14 knows, translated (the last once more strictly), and natively.
TRANSLATED_CPUS := v1 v2 v3
TRANSLATED_SOURCES := $(wildcard $(TRANSLATOR)/tests/programs/*.bpf.c $(TRANSLATOR)/tests/loops/*.bpf.c programs/*.bpf.c)
TRANSLATED_NAMES := $(patsubst %.bpf.c,%,$(notdir $(TRANSLATED_SOURCES)))
TRANSLATED_LIBRARIES := $(foreach cpu,$(TRANSLATED_CPUS) strict native,$(TRANSLATED_NAMES:%=$(BUILD)/translator/$(cpu)/%.so))
TRANSLATED_HEADERS := protocol/csd_bpf.h programs/sensor.h $(TRANSLATOR)/tests/loops/loop.h $(TRANSLATOR)/tests/programs/context.h \
	$(TRANSLATOR)/tests/beside.h
TRANSLATED_INCLUDES := -Iprotocol -Iprograms -I$(TRANSLATOR)/tests -I$(TRANSLATOR)/tests/loops
TRANSLATED_BPF = $(filter-out -mcpu=%,$(BPF_CFLAGS)) $(TRANSLATED_INCLUDES)
# What a map's declaration says is in debug information.
$(TRANSLATED_CPUS:%=$(BUILD)/translator/%/maps.bpf.o): TRANSLATED_BPF += -g

vpath %.bpf.c $(TRANSLATOR)/tests/programs $(TRANSLATOR)/tests/loops programs
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
$(BUILD)/translator/%.so: $(BUILD)/translator/%.tr.c $(TRANSLATOR)/translator.mk
	$(TRANSLATED_COMPILE) -shared $< -o $@

$(BUILD)/translator/strict/%.so: $(BUILD)/translator/v3/%.tr.c $(TRANSLATOR)/translator.mk | $(BUILD)/translator/strict
	$(CC) $(TRANSLATED_STRICT) -shared $< -o $@

$(BUILD)/translator/native/%.so: %.bpf.c $(TRANSLATOR)/tests/beside.c $(TRANSLATED_HEADERS) | $(BUILD)/translator/native
	$(CC) $(CFLAGS) -fPIC -shared -DCSD_NATIVE $(TRANSLATED_INCLUDES) $< $(TRANSLATOR)/tests/beside.c -o $@

$(BUILD)/translator/test_programs $(BUILD)/translator/test_buffers: \
		$(BUILD)/translator/%: $(addprefix $(TRANSLATOR_TESTED)/,%.o parts.o)
	$(CC) $(SANITIZE) $^ -ldl -o $@

# One program in all geometries: the translator is in the test.
$(BUILD)/translator/test_geometries: $(addprefix $(TRANSLATOR_TESTED)/,test_geometries.o parts.o) $(TRANSLATOR_CHECKED)
	$(CC) $(SANITIZE) $^ -ldl -o $@

# What is refused.
TRANSLATOR_BAD := $(patsubst $(TRANSLATOR)/tests/bad/%.bpf.c,$(BUILD)/translator/bad/%.bpf.o,$(wildcard $(TRANSLATOR)/tests/bad/*.bpf.c))
# CO-RE's records and what maps are come with debug information alone.
$(BUILD)/translator/bad/core.bpf.o $(filter $(BUILD)/translator/bad/map_%,$(TRANSLATOR_BAD)): TRANSLATED_BPF += -g

$(BUILD)/translator/bad/%.bpf.o: $(TRANSLATOR)/tests/bad/%.bpf.c protocol/csd_bpf.h
	@mkdir -p $(@D)
	$(CLANG) $(TRANSLATED_BPF) -mcpu=v3 -c $< -o $@

TRANSLATOR_PROOF := $(addprefix $(BUILD)/checked/$(TRANSLATOR)/,csd_proof.o csd_verify.o csd_flow.o csd_value.o)
$(BUILD)/translator/test_elf: $(TRANSLATOR_PROOF)
$(addprefix $(BUILD)/translator/,test_elf test_refusals test_source fuzz_translator): \
		$(BUILD)/translator/%: $(TRANSLATOR_TESTED)/%.o $(TRANSLATOR_CHECKED)
	$(CC) $(SANITIZE) $^ -o $@

# What the tests of the package csd ask about programs that it makes; not under sanitizers, for they ask about thousands.
$(BUILD)/judge: $(addprefix $(BUILD)/$(TRANSLATOR)/,tests/judge.o tests/rfc9669.o csd_proof.o csd_verify.o csd_flow.o csd_value.o) \
		$(TRANSLATOR_OBJECTS)
	$(CC) $(CFLAGS) $^ -ldl -o $@

TRANSLATOR_SEEDS := $(foreach cpu,$(TRANSLATED_CPUS),$(TRANSLATED_NAMES:%=$(BUILD)/translator/$(cpu)/%.bpf.o))

# Lines of C: clang -g writes them.
$(BUILD)/translator/places.bpf.o $(BUILD)/translator/places_plain.bpf.o: $(TRANSLATOR)/tests/places.bpf.c protocol/csd_bpf.h | $(BUILD)/translator
	$(CLANG) $(TRANSLATED_BPF) $(if $(findstring plain,$@),,-g) -mcpu=v3 -c $(abspath $<) -o $@

# HELLO_EBPF_FUZZ_SEED is that of all fuzzers: `random`, or the seed that a failed run told.
FUZZ_SEED := $(or $(patsubst random,$(shell date +%s%N),$(HELLO_EBPF_FUZZ_SEED)),1)
ifneq ($(shell printf %s '$(FUZZ_SEED)' | tr -d 0-9),)
$(error asked: HELLO_EBPF_FUZZ_SEED=$(HELLO_EBPF_FUZZ_SEED); found: no number; do: give a number, or random)
endif

# How many programs test_generated makes, and mutants fuzz_translator; and where their chances begin.
PROGRAMS ?= 800
PROGRAMS_SEED ?= $(FUZZ_SEED)
TRANSLATOR_MUTANTS ?= 20000

# Side by side where make is given jobs: none writes what another one does.
TRANSLATED_WAYS := plain fallback strict
TRANSLATED_BY_plain := $(TRANSLATED_COMPILE)
TRANSLATED_BY_fallback := $(TRANSLATED_COMPILE) -O1
TRANSLATED_BY_strict := $(CC) $(TRANSLATED_STRICT)
GENERATED_plain = $(PROGRAMS)
GENERATED_fallback := 200
GENERATED_strict := 200
TRANSLATOR_CHECKS := check_translator_objects check_translator_mutants check_translator_programs \
	$(TRANSLATED_WAYS:%=check_generated_%) $(TRANSLATED_WAYS:%=check_conformance_%) $(addprefix check_geometries_,plain strict)

.PHONY: check_translator $(TRANSLATOR_CHECKS)
check_translator: $(TRANSLATOR_CHECKS)
check: check_translator

check_translator_objects: $(BUILD)/csd_translate $(addprefix $(BUILD)/translator/,test_elf test_refusals test_source places.bpf.o places_plain.bpf.o) \
		$(TRANSLATOR_BAD) $(addprefix $(BUILD)/translator/,v2/threshold.bpf.o v3/closest.bpf.o v3/maps.bpf.o v3/context.bpf.o)
	! $(BUILD)/csd_translate $(BUILD)/translator/bad/helper.bpf.o -o $(BUILD)/translator/refused.c 2>$(BUILD)/translator/refused
	grep -q 'helper.bpf.o: instruction .* calls helper 35: ' $(BUILD)/translator/refused && test ! -e $(BUILD)/translator/refused.c
	$(BUILD)/translator/test_elf $(BUILD)/translator/v2/threshold.bpf.o
	$(BUILD)/translator/test_refusals $(addprefix $(BUILD)/translator/,v3/closest.bpf.o v3/maps.bpf.o v3/context.bpf.o bad)
	$(BUILD)/translator/test_source $(BUILD)/translator/places.bpf.o $(BUILD)/translator/places_plain.bpf.o 2000 $(PROGRAMS_SEED)

check_translator_mutants: $(BUILD)/translator/fuzz_translator $(TRANSLATOR_SEEDS)
	$< $(BUILD)/translator '$(CC) $(TRANSLATED_CFLAGS)' $(TRANSLATOR_MUTANTS) $(PROGRAMS_SEED) $(TRANSLATOR_SEEDS)

check_translator_programs: $(addprefix $(BUILD)/translator/,test_programs test_buffers) $(TRANSLATED_LIBRARIES)
	$(BUILD)/translator/test_programs $(BUILD)/translator $(TRANSLATED_CPUS) strict
	$(BUILD)/translator/test_buffers $(BUILD)/translator $(TRANSLATED_CPUS) strict

$(addprefix check_geometries_,plain strict): check_geometries_%: $(BUILD)/translator/test_geometries $(addprefix $(BUILD)/translator/,v3/any.bpf.o native/any.so)
	$< $(BUILD)/translator $* '$(TRANSLATED_BY_$*)'

$(TRANSLATED_WAYS:%=check_conformance_%): check_conformance_%: $(BUILD)/translator/test_conformance
	$< $(BUILD)/translator conformance_$* '$(TRANSLATED_BY_$*)'

$(TRANSLATED_WAYS:%=check_generated_%): check_generated_%: $(BUILD)/translator/test_generated
	$< $(BUILD)/translator generated_$* '$(TRANSLATED_BY_$*)' $(GENERATED_$*) $(PROGRAMS_SEED)

# --- loops, translated and natively, timed by turns: `make csd_translator_bench`, then
#	build/csd_translator_bench build/translator
LOOP_NAMES := $(patsubst %.bpf.c,%,$(notdir $(wildcard $(TRANSLATOR)/tests/loops/*.bpf.c)))

$(BUILD)/csd_translator_bench: $(TRANSLATOR)/csd_translator_bench.c $(addprefix $(TRANSLATOR)/tests/loops/,data.h run.h) $(ENGINE_HEADERS) \
		$(TRANSLATOR)/translator.mk | $(BUILD)/translator
	$(CC) $(CFLAGS) $(WARNINGS) $(ENGINE_TEST_INCLUDES) \
		-DBENCH_LOOPS='"$(LOOP_NAMES)"' -DBENCH_NATIVE='"$(CFLAGS)"' -DBENCH_TRANSLATED='"$(TRANSLATED_CFLAGS)"' $< -ldl -lm -o $@

csd_translator_bench: $(BUILD)/csd_translator_bench $(foreach cpu,v3 native,$(LOOP_NAMES:%=$(BUILD)/translator/$(cpu)/%.so))
