# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# The programs of programs/buffer (docs/programs.md). programs.mk installs them; these are tests.
#
#   make check_buffer          each beside its reference; BUFFER_SEED=7 for other chances
BUFFER := programs/buffer
BUFFER_NAMES := $(patsubst %.bpf.c,%,$(notdir $(wildcard $(BUFFER)/*.bpf.c)))
BUFFER_HEADERS := $(wildcard $(BUFFER)/*.h) protocol/csd_bpf.h
BUFFER_BPF = $(filter-out -mcpu=%,$(BPF_CFLAGS)) -Iprotocol -I$(BUFFER)

# For each eBPF that clang 14 knows; and of v3 what gcc makes under UBSan, without the flags that define what C does not.
BUFFER_CPUS := v1 v2 v3
$(BUFFER_CPUS:%=$(BUILD)/buffer/%) $(addprefix $(BUILD)/buffer/,strict checked):
	mkdir -p $@

define BUFFER_CPU
$(BUILD)/buffer/$(1)/%.bpf.o: $(BUFFER)/%.bpf.c $(BUFFER_HEADERS) | $(BUILD)/buffer/$(1)
	$$(CLANG) $$(BUFFER_BPF) -mcpu=$(1) -c $$< -o $$@
endef
$(foreach cpu,$(BUFFER_CPUS),$(eval $(call BUFFER_CPU,$(cpu))))

$(BUILD)/buffer/%.tr.c: $(BUILD)/buffer/%.bpf.o $(BUILD)/csd_translate
	$(BUILD)/csd_translate $< -o $@

$(BUILD)/buffer/%.so: $(BUILD)/buffer/%.tr.c $(TRANSLATOR)/translator.mk
	$(TRANSLATED_COMPILE) -shared $< -o $@

$(BUILD)/buffer/strict/%.so: $(BUILD)/buffer/v3/%.tr.c $(TRANSLATOR)/translator.mk | $(BUILD)/buffer/strict
	$(CC) $(TRANSLATED_STRICT) -shared $< -o $@

# The same source natively: for bench/bench.mk, and under AddressSanitizer, which sees what leaves a program's own variables. Of
# data at any address, which a drive takes, UBSan says nothing.
BUFFER_RECORDS := $(patsubst $(BUFFER)/%.bpf.c,%,$(shell grep -l '^CSD_PROGRAM$$' $(BUFFER)/*.bpf.c))
RECORD_NAMES := $(patsubst programs/%.bpf.c,%,$(wildcard programs/*.bpf.c))
BUFFER_NATIVE = -std=gnu11 -Wall -Wextra -Werror -fPIC -fno-semantic-interposition -shared -DCSD_NATIVE -Iprotocol -Iprograms \
	-I$(BUFFER) -I$(WORKER) $(if $(filter $*,$(BUFFER_RECORDS) $(RECORD_NAMES)),-DPROGRAM_RECORD) -DPROGRAM=$* \
	-DPROGRAM_SOURCE='"$*.bpf.c"' $(BUFFER)/native.c

$(BUILD)/buffer/checked/%.so: $(BUFFER)/%.bpf.c $(BUFFER)/native.c $(BUFFER_HEADERS) $(WORKER)/csd_call.h | $(BUILD)/buffer/checked
	$(CC) $(SANITIZE) -fno-sanitize=alignment $(BUFFER_NATIVE) -o $@

# --- tests
$(BUILD)/checked/$(BUFFER)/tests/%: INCLUDES = -I$(BUFFER) $(ENGINE_TEST_INCLUDES)
BUFFER_WAYS := $(BUFFER_CPUS) strict checked
BUFFER_TESTS := $(BUFFER_NAMES:%=$(BUILD)/buffer/test_%)

BUFFER_SHARED := reference.o reference_filter.o ask_filter.o run.o sample_btree.o samples.o
$(BUILD)/buffer/test_%: $(addprefix $(BUILD)/checked/$(BUFFER)/tests/,test_%.o reference_%.o $(BUFFER_SHARED))
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $^ -ldl -o $@

.PHONY: check_buffer
check_buffer: $(BUFFER_TESTS) $(foreach way,$(BUFFER_WAYS),$(BUFFER_NAMES:%=$(BUILD)/buffer/$(way)/%.so))
	for name in $(BUFFER_NAMES); do $(BUILD)/buffer/test_$$name $(BUILD)/buffer $(BUFFER_WAYS) || exit 1; done

check: check_buffer
