# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# The engine knows no SPDK: it is built, tested and fuzzed without. Link ENGINE_LIBS; where no SPDK is linked either,
# also ENGINE_ALONE, which stands for the little of DPDK that librte_bpf needs.
ENGINE_OBJECTS := $(patsubst %,$(BUILD)/engine/%.o,csd_engine csd_elf csd_verify csd_record csd_rte_bpf)
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
