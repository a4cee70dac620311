# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# csd_tgt: every target/csd_*.c, what it has of the engine, and SPDK's target.
#   make csd_tgt_checked    the same under AddressSanitizer and UBSan: $(BUILD)/checked/csd_tgt
TARGET_SOURCES := $(wildcard target/csd_*.c)
# Of the engine: it knows nothing of SPDK.
TARGET_ENGINE := $(addprefix worker/,csd_background csd_blob csd_executor csd_private_memory csd_memory csd_ring csd_spawner_link) confine/csd_confine \
	$(addprefix compiler/,csd_blob_get csd_cache) $(addprefix translator/,csd_btf csd_bare csd_check csd_elf_file csd_flow csd_geometry \
	csd_helper csd_object csd_object_maps csd_object_read csd_proof csd_refuse csd_source csd_value csd_verify)
TARGET_OBJECTS := $(TARGET_SOURCES:%.c=%.o) $(TARGET_ENGINE:%=engine/%.o)
TARGET_LIBRARIES = $(call spdk,--libs,hello_spdk_target) -lcrypto

# Functions that know nothing of SPDK stand in files of their own, x.c with tests/x_test.c: `make check` tests them.
TARGET_PLAIN := csd_changes \
	$(filter $(TARGET_SOURCES:target/%.c=%),$(patsubst target/tests/%_test.c,%,$(wildcard target/tests/*_test.c)))
$(BUILD)/target/% $(BUILD)/checked/target/%: INCLUDES = $(ENGINE_INCLUDES) $(call spdk_includes,hello_spdk_target)
$(foreach build,$(BUILD) $(BUILD)/checked,$(TARGET_PLAIN:%=$(build)/target/%.o)): INCLUDES = $(ENGINE_INCLUDES)

.PHONY: csd_target csd_tgt csd_tgt_checked install_csd_target install_csd_tgt
all: csd_target
csd_target: csd_tgt
csd_tgt: $(BUILD)/csd_tgt
csd_tgt_checked: $(BUILD)/checked/csd_tgt

$(BUILD)/csd_tgt: $(TARGET_OBJECTS:%=$(BUILD)/%)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ $(TARGET_LIBRARIES) -o $@

$(BUILD)/checked/csd_tgt: $(TARGET_OBJECTS:%=$(BUILD)/checked/%)
	$(CC) $(SANITIZE) $(LDFLAGS) $^ $(TARGET_LIBRARIES) -o $@

install_csd_target: csd_target install_csd_tgt
install_csd_tgt: $(BUILD)/csd_tgt
	install -D -m 0755 $< $(call into,csd_target)/bin/csd_tgt

# ---- tests: each with its source, and what else it names

TARGET_TESTED := $(BUILD)/checked/target/tests
TARGET_TESTS := $(patsubst target/tests/%.c,$(BUILD)/target/tests/%,$(wildcard target/tests/*_test.c))
$(BUILD)/checked/target/tests/%: INCLUDES = -Itarget -I$(WORKER)/tests $(ENGINE_TEST_INCLUDES)
$(TARGET_TESTS): $(BUILD)/target/tests/%_test: $(TARGET_TESTED)/%_test.o
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $^ -o $@

$(foreach name,$(TARGET_PLAIN),$(eval $(BUILD)/target/tests/$(name)_test: $(BUILD)/checked/target/$(name).o))
$(BUILD)/target/tests/csd_reachability_test: $(BUILD)/checked/target/csd_changes.o
$(BUILD)/target/tests/csd_kept_test: $(BUILD)/checked/target/csd_turns.o

# test_x: what the target does for a worker, with a worker; and the programs that it runs.
TARGET_WITH_WORKER := $(patsubst target/tests/%.c,$(BUILD)/target/tests/%,$(wildcard target/tests/test_*.c))
TARGET_BLOBS := $(patsubst target/tests/%.bpf.c,$(WORKER_BUILD)/%.csd,$(wildcard target/tests/*.bpf.c))

$(TARGET_WITH_WORKER): $(BUILD)/target/tests/%: $(TARGET_TESTED)/%.o $(BUILD)/checked/target/csd_copies.o $(WORKER_CHECKED)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $^ -o $@

$(BUILD)/target/tests/%.bpf.o: target/tests/%.bpf.c protocol/csd_bpf.h
	@mkdir -p $(@D)
	$(CLANG) $(TRANSLATED_BPF) -g -mcpu=v3 -c $< -o $@

$(TARGET_BLOBS): $(WORKER_BUILD)/%.csd: $(BUILD)/target/tests/%.bpf.o $(BUILD)/csd_compile | $(WORKER_BUILD)
	$(BUILD)/csd_compile $< -o $@

.PHONY: check_target
check_target: $(TARGET_TESTS) $(TARGET_WITH_WORKER) $(TARGET_BLOBS) $(WORKER_BUILD)/hostile.csd csd_workers
	set -e; for test in $(TARGET_TESTS); do $$test; done
	set -e; for test in $(TARGET_WITH_WORKER); do $$test $(WORKER_BUILD); done
check: check_target
