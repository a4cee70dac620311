# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# The engine knows no SPDK: it is built, tested and fuzzed without. Link ENGINE_LIBS; where no SPDK is linked either,
# also ENGINE_ALONE, which stands for the little of DPDK that librte_bpf needs.
ENGINE_OBJECTS := $(patsubst %,$(BUILD)/engine/%.o,csd_cost csd_engine csd_elf csd_elf_file csd_engine_record csd_flow \
	csd_jumps csd_loop csd_refuse csd_rte_bpf csd_value csd_verify)
ENGINE_HEADERS := $(wildcard engine/*.h engine/rte/*.h) programs/csd_bpf.h

# Given, or taken out of Debian's package.
LIBRTE_BPF := $(firstword $(wildcard $(RTE_BPF)/lib/librte_bpf.a) $(BUILD)/rte_bpf/lib/librte_bpf.a)
RTE_BPF_INCLUDES := -Iengine/rte -I$(LIBRTE_BPF:lib/librte_bpf.a=include)

ENGINE_LIBS := $(BUILD)/libcsd_engine.a $(LIBRTE_BPF)
ENGINE_ALONE := $(BUILD)/engine/rte_alone.o

$(BUILD)/rte_bpf/lib/librte_bpf.a: engine/fetch_rte_bpf.sh
	engine/fetch_rte_bpf.sh $(BUILD)/rte_bpf

$(BUILD)/engine/csd_rte_bpf.o: INCLUDES += $(RTE_BPF_INCLUDES)
$(BUILD)/engine/%.o: engine/%.c $(ENGINE_HEADERS) $(LIBRTE_BPF)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARNINGS) $(INCLUDES) -c $< -o $@

$(BUILD)/libcsd_engine.a: $(ENGINE_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

ALL += $(BUILD)/libcsd_engine.a

# The tests: engine and tests under sanitizers (librte_bpf comes as it is), programs from clang.
ENGINE_SANITIZED := $(ENGINE_OBJECTS:$(BUILD)/engine/%=$(BUILD)/engine/checked/%) $(BUILD)/engine/checked/rte_alone.o
ENGINE_BAD := $(patsubst engine/tests/bad/%.bpf.c,$(BUILD)/engine/bad/%.bpf.o,$(wildcard engine/tests/bad/*.bpf.c))
ENGINE_SEEDS := $(patsubst programs/%.bpf.c,$(BUILD)/programs/%.bpf.o,$(wildcard programs/*.bpf.c))
ENGINE_TESTS := test_elf test_engine fuzz_engine
# Of fuzz_engine: how many mutants it loads, and where its chances begin.
FUZZ_MUTANTS ?= 100000
# HELLO_EBPF_FUZZ_SEED is that of all fuzzers: `random`, or the seed that a failed run told.
FUZZ_SEED := $(or $(patsubst random,$(shell date +%s%N),$(HELLO_EBPF_FUZZ_SEED)),1)
ifneq ($(shell printf %s '$(FUZZ_SEED)' | tr -d 0-9),)
$(error asked: HELLO_EBPF_FUZZ_SEED=$(HELLO_EBPF_FUZZ_SEED); found: no number; do: give a number, or random)
endif

$(BUILD)/engine/checked/csd_rte_bpf.o: INCLUDES += $(RTE_BPF_INCLUDES)
$(BUILD)/engine/checked/%.o: engine/%.c $(ENGINE_HEADERS) $(LIBRTE_BPF)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $(WARNINGS) $(INCLUDES) -c $< -o $@

$(BUILD)/engine/%: engine/tests/%.c engine/tests/test.h $(ENGINE_SANITIZED) $(LIBRTE_BPF)
	$(CC) $(SANITIZE) $(WARNINGS) $(INCLUDES) $< $(ENGINE_SANITIZED) $(LIBRTE_BPF) -lpthread -o $@

$(BUILD)/engine/bad/%.bpf.o: engine/tests/bad/%.bpf.c programs/csd_bpf.h
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

# First: a seed stands for the same mutants each time, and another one for others, by what became of them.
.PHONY: check_engine
check_engine: $(ENGINE_TESTS:%=$(BUILD)/engine/%) $(ENGINE_BAD) $(ENGINE_SEEDS)
	$(BUILD)/engine/test_elf $(BUILD)/programs/threshold.bpf.o $(BUILD)/engine/bad
	$(BUILD)/engine/test_engine
	$(BUILD)/engine/fuzz_engine 1000 7 $(ENGINE_SEEDS) | sed '$$d' >$(BUILD)/engine/seed7
	$(BUILD)/engine/fuzz_engine 1000 7 $(ENGINE_SEEDS) | sed '$$d' | cmp - $(BUILD)/engine/seed7
	! $(BUILD)/engine/fuzz_engine 1000 8 $(ENGINE_SEEDS) | sed '$$d' | cmp -s - $(BUILD)/engine/seed7
	$(BUILD)/engine/fuzz_engine $(FUZZ_MUTANTS) $(FUZZ_SEED) $(ENGINE_SEEDS)

CHECKS += check_engine
