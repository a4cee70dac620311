# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# Programs in processes of their own: docs/workers.md.
#
#   make csd_workers          build/csd_spawner, build/csd_worker
#   make csd_worker_bench     what a process of its own costs: build/csd_worker_bench build/worker build/worker/over_limit.csd
#   make check_worker         their tests; KILL_ROUNDS=1000 for more kills
WORKER := engine/worker
WORKER_BUILD := $(BUILD)/worker

$(WORKER_BUILD):
	mkdir -p $@

# Static, at a fixed address: nothing of a library, or of another process, lies in a worker's memory.
$(WORKER_BUILD)/csd_worker: $(addprefix $(WORKER)/,csd_worker.c csd_worker_confine.c csd_ring.c csd_blob.c) $(CONFINE_SOURCES) \
		$(ENGINE_HEADERS) | $(WORKER_BUILD)
	$(CC) $(CFLAGS) $(WARNINGS) $(ENGINE_INCLUDES) -static -no-pie $(filter %.c,$^) -o $@

$(WORKER_BUILD)/csd_spawner: $(BUILD)/$(WORKER)/csd_spawner.o | $(WORKER_BUILD)
	$(CC) $(CFLAGS) $^ -o $@

.PHONY: csd_workers
csd_workers: $(WORKER_BUILD)/csd_worker $(WORKER_BUILD)/csd_spawner

# What csd_tgt wants to find beside itself.
.PHONY: install_workers
csd_target: csd_workers csd_compile
install_csd_target: install_workers
install_workers: csd_workers csd_compile
	install -d $(call into,csd_target)/bin
	install -m 755 $(WORKER_BUILD)/csd_worker $(WORKER_BUILD)/csd_spawner $(BUILD)/csd_compile $(call into,csd_target)/bin/

# --- tests: the target's side and the tests under sanitizers; worker and spawner as they are

WORKER_TESTS := test_memory test_background test_ring test_worker test_kills test_blobs test_faults
WORKER_TESTED := $(BUILD)/checked/$(WORKER)/tests
# The target's side of it, for tests of other rooms too.
WORKER_SIDE := csd_executor csd_private_memory csd_background csd_spawner_link csd_memory csd_ring csd_blob
WORKER_CHECKED := $(WORKER_TESTED)/lab.o $(WORKER_SIDE:%=$(BUILD)/checked/$(WORKER)/%.o) $(CONFINE_CHECKED)

$(WORKER_TESTS:%=$(WORKER_BUILD)/%): $(WORKER_BUILD)/%: $(WORKER_TESTED)/%.o $(WORKER_CHECKED) | $(WORKER_BUILD)
	$(CC) $(SANITIZE) $^ -ldl -o $@

# What clang makes of programs, compiled as the drive will.
BLOB_NAMES := aggregate histogram sample search threshold top closest day_hours error_line one_of over_limit
$(WORKER_BUILD)/test_blobs: $(TRANSLATOR_TESTED)/parts.o

# With its lines of C.
$(WORKER_BUILD)/faults.bpf.o: $(WORKER)/tests/faults.bpf.c protocol/csd_bpf.h | $(WORKER_BUILD)
	$(CLANG) $(TRANSLATED_BPF) -g -mcpu=v3 -c $(abspath $<) -o $@

$(WORKER_BUILD)/faults.csd: $(WORKER_BUILD)/faults.bpf.o $(BUILD)/csd_compile
	$(BUILD)/csd_compile $< -o $@

$(WORKER_BUILD)/test_faults: $(TRANSLATOR_CHECKED)

$(WORKER_BUILD)/%.csd: $(BUILD)/translator/v3/%.bpf.o $(BUILD)/csd_compile | $(WORKER_BUILD)
	$(BUILD)/csd_compile $< -o $@

# Machine code that no translator has seen, as a blob.
$(WORKER_BUILD)/hostile.csd: $(WORKER)/tests/hostile.c $(COMPILER)/csd_blob.ld $(ENGINE_HEADERS) | $(WORKER_BUILD)
	$(CC) -O2 -std=gnu11 -Wall -Wextra -Werror -ffreestanding -fPIE -fno-stack-protector -fno-asynchronous-unwind-tables \
		$(ENGINE_TEST_INCLUDES) -c $< -o $(WORKER_BUILD)/hostile.o
	$(LD) -static --orphan-handling=error -z max-page-size=4096 --defsym blob_code=0x1000000000 \
		--defsym blob_data=0x1040000000 -T $(COMPILER)/csd_blob.ld $(WORKER_BUILD)/hostile.o -o $(WORKER_BUILD)/hostile.elf
	objcopy -O binary -j .code -j .data $(WORKER_BUILD)/hostile.elf $@

KILL_ROUNDS ?= 100
# As root also with workers that are another user: "nobody".
WORKER_USERS := $(if $(filter 0,$(shell id -u)),'' 65534,'')

.PHONY: check_worker
check_worker: csd_workers $(WORKER_BUILD)/hostile.csd $(WORKER_TESTS:%=$(WORKER_BUILD)/%) $(BLOB_NAMES:%=$(WORKER_BUILD)/%.csd) \
		$(WORKER_BUILD)/faults.csd $(BLOB_NAMES:%=$(BUILD)/translator/native/%.so)
	$(WORKER_BUILD)/test_memory
	$(WORKER_BUILD)/test_background
	$(WORKER_BUILD)/test_ring
	$(WORKER_BUILD)/test_blobs $(WORKER_BUILD) $(BUILD)/translator/native $(BLOB_NAMES)
	$(WORKER_BUILD)/test_faults $(WORKER_BUILD) $(WORKER_BUILD)/faults.bpf.o
	for user in $(WORKER_USERS); do $(WORKER_BUILD)/test_worker $(WORKER_BUILD) $$user || exit; done
	for user in $(WORKER_USERS); do $(WORKER_BUILD)/test_kills $(WORKER_BUILD) $(KILL_ROUNDS) $(FUZZ_SEED) $$user || exit; done

check: check_worker

# --- what it costs

$(BUILD)/csd_worker_bench: $(BUILD)/$(WORKER)/csd_worker_bench.o $(WORKER_SIDE:%=$(BUILD)/$(WORKER)/%.o)
	$(CC) $(CFLAGS) $^ -o $@

.PHONY: csd_worker_bench
csd_worker_bench: $(BUILD)/csd_worker_bench csd_workers $(WORKER_BUILD)/over_limit.csd $(WORKER_BUILD)/threshold.csd
