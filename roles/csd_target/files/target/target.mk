# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# csd_tgt: every target/csd_*.c, what it has of workers, compiler and translator, and SPDK's target.
#   make csd_tgt_checked    the same under AddressSanitizer and UBSan: $(BUILD)/checked/csd_tgt
# Functions that know nothing of SPDK stand in files of their own: `make check` tests them.

TARGET_SOURCES := $(wildcard target/csd_*.c)
TARGET_OBJECTS := $(TARGET_SOURCES:%.c=$(BUILD)/%.o)
TARGET_CHECKED := $(TARGET_SOURCES:%.c=$(BUILD)/checked/%.o)
# Of these parts: they know nothing of SPDK.
TARGET_WORKERS := csd_aside csd_blob csd_confine csd_executor csd_kit csd_memory csd_ring csd_spawner_link csd_blob_get csd_cache csd_btf \
	csd_bare csd_check csd_elf_file csd_flow csd_geometry csd_helper csd_object csd_object_maps csd_object_read csd_proof csd_refuse \
	csd_source csd_value csd_verify
TARGET_INCLUDES = $(INCLUDES) -Iworker -Iconfine -Icompiler $(patsubst -I%,-isystem %,$(call pkg_config,--cflags,hello_spdk_target))
TARGET_LIBRARIES = $(call pkg_config,--libs,hello_spdk_target) -lcrypto

.PHONY: csd_tgt csd_tgt_checked check_target install_target
ALL += csd_tgt
CHECKS += check_target
INSTALLS += install_target

csd_tgt: $(BUILD)/csd_tgt
csd_tgt_checked: $(BUILD)/checked/csd_tgt

$(TARGET_OBJECTS): $(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARNINGS) $(TARGET_INCLUDES) -MMD -MP -c $< -o $@

$(TARGET_CHECKED): $(BUILD)/checked/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) $(WARNINGS) $(TARGET_INCLUDES) -MMD -MP -c $< -o $@

$(BUILD)/csd_tgt: $(TARGET_OBJECTS) $(TARGET_WORKERS:%=$(BUILD)/compiler/%.o)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ $(TARGET_LIBRARIES) -o $@

$(BUILD)/checked/csd_tgt: $(TARGET_CHECKED) $(TARGET_WORKERS:%=$(BUILD)/compiler/checked/%.o)
	$(CC) $(SANITIZE) $(LDFLAGS) $^ $(TARGET_LIBRARIES) -o $@

# ---- tests: each test/x_test.c with the sources that it names

TARGET_TESTS := $(patsubst target/test/%.c,$(BUILD)/test/%,$(wildcard target/test/*_test.c))
$(BUILD)/test/csd_slm_check_test: target/csd_slm_check.c
$(BUILD)/test/csd_log_test: target/csd_log.c
$(BUILD)/test/csd_output_test: target/csd_output.c
$(BUILD)/test/csd_effects_test: target/csd_effects.c
$(BUILD)/test/csd_limit_test: target/csd_limit.c
$(BUILD)/test/csd_copies_test: target/csd_copies.c
$(BUILD)/test/csd_kept_test: target/csd_kept.c target/csd_turns.c
$(BUILD)/test/csd_cpus_test: target/csd_cpus.c
$(BUILD)/test/csd_turns_test: target/csd_turns.c
$(BUILD)/test/csd_faults_test: target/csd_faults.c
$(BUILD)/test/csd_trace_test: target/csd_trace.c
$(BUILD)/test/csd_load_queue_test: target/csd_load_queue.c
$(BUILD)/test/csd_shares_test: target/csd_shares.c
$(BUILD)/test/csd_reachability_test: target/csd_reachability.c target/csd_changes.c

$(TARGET_TESTS): $(BUILD)/test/%: target/test/%.c
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $(WARNINGS) $(INCLUDES) -MMD -MP $(filter %.c,$^) -o $@

check_target: $(TARGET_TESTS)
	set -e; for test in $^; do $$test; done

install_target: $(BUILD)/csd_tgt
	install -D -m 0755 $< $(DESTDIR)$(PREFIX)/bin/csd_tgt

-include $(TARGET_OBJECTS:.o=.d) $(TARGET_CHECKED:.o=.d) $(TARGET_TESTS:=.d)
