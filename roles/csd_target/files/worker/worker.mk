# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# Programs in processes of their own: docs/workers.md.
#
#   make csd_workers          build/csd_spawner, build/csd_worker
#   make csd_worker_bench     what a process of its own costs: build/csd_worker_bench build/worker build/worker/over_limit.csd
#   make check_worker         their tests; KILL_ROUNDS=1000 for more kills
WORKER_HEADERS := $(wildcard worker/*.h worker/tests/*.h confine/*.h) programs/csd_bpf.h
WORKER_INCLUDES := -Iworker -Iconfine $(INCLUDES)
WORKER_BUILD := $(BUILD)/worker

$(WORKER_BUILD) $(WORKER_BUILD)/checked:
	mkdir -p $@

# Static, at a fixed address: nothing of a library, or of another process, lies in a worker's memory.
$(WORKER_BUILD)/csd_worker: $(addprefix worker/,csd_worker.c csd_shut_in.c csd_ring.c csd_blob.c) $(wildcard confine/*.c) \
		$(WORKER_HEADERS) | $(WORKER_BUILD)
	$(CC) $(CFLAGS) $(WARNINGS) $(WORKER_INCLUDES) -static -no-pie $(filter %.c,$^) -o $@

$(WORKER_BUILD)/csd_spawner: worker/csd_spawner.c $(WORKER_HEADERS) | $(WORKER_BUILD)
	$(CC) $(CFLAGS) $(WARNINGS) $(WORKER_INCLUDES) $< -o $@

.PHONY: csd_workers
csd_workers: $(WORKER_BUILD)/csd_worker $(WORKER_BUILD)/csd_spawner

# What csd_tgt wants to find beside itself.
.PHONY: install_workers
ALL += csd_workers csd_compile
INSTALLS += install_workers
install_workers: csd_workers csd_compile
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(WORKER_BUILD)/csd_worker $(WORKER_BUILD)/csd_spawner $(BUILD)/csd_compile $(DESTDIR)$(PREFIX)/bin/

# --- tests: the target's side and the tests under sanitizers; worker and spawner as they are

WORKER_TESTS := test_memory test_aside test_ring test_worker test_kills test_blobs test_faults test_ranges test_kept
WORKER_CHECKED := $(addprefix $(WORKER_BUILD)/checked/,lab.o csd_executor.o csd_kit.o csd_aside.o csd_spawner_link.o csd_memory.o csd_ring.o csd_blob.o \
	$(patsubst confine/%.c,%.o,$(wildcard confine/*.c)))
WORKER_TEST_INCLUDES := $(WORKER_INCLUDES) -Iworker/tests -Itranslator/tests

$(WORKER_BUILD)/checked/%.o: %.c $(WORKER_HEADERS) | $(WORKER_BUILD)/checked
	$(CC) $(SANITIZE) $(WARNINGS) $(WORKER_TEST_INCLUDES) -c $< -o $@
vpath %.c worker/tests

$(WORKER_TESTS:%=$(WORKER_BUILD)/%): $(WORKER_BUILD)/%: $(WORKER_BUILD)/checked/%.o $(WORKER_CHECKED)
	$(CC) $(SANITIZE) $^ -ldl -o $@

# What clang makes of programs, compiled as the drive will.
BLOB_NAMES := aggregate histogram sample search threshold top closest day_hours error_line one_of over_limit
$(WORKER_BUILD)/test_blobs: $(BUILD)/translator/checked/parts.o
$(WORKER_BUILD)/checked/test_blobs.o: $(TRANSLATOR_HEADERS)

# With its lines of C.
$(WORKER_BUILD)/faults.bpf.o: worker/tests/faults.bpf.c programs/csd_bpf.h | $(WORKER_BUILD)
	$(CLANG) $(TRANSLATED_BPF) -g -mcpu=v3 -c $(abspath $<) -o $@

$(WORKER_BUILD)/writes.bpf.o: worker/tests/writes.bpf.c programs/csd_bpf.h | $(WORKER_BUILD)
	$(CLANG) $(TRANSLATED_BPF) -mcpu=v3 -c $< -o $@

# With what its maps are.
$(WORKER_BUILD)/keeps.bpf.o: worker/tests/keeps.bpf.c programs/csd_bpf.h | $(WORKER_BUILD)
	$(CLANG) $(TRANSLATED_BPF) -g -mcpu=v3 -c $< -o $@

$(addprefix $(WORKER_BUILD)/,faults.csd writes.csd keeps.csd): $(WORKER_BUILD)/%.csd: $(WORKER_BUILD)/%.bpf.o $(BUILD)/csd_compile
	$(BUILD)/csd_compile $< -o $@

# The target's copies of ranges, and of what is kept.
$(WORKER_BUILD)/checked/csd_copies.o: target/csd_copies.c target/csd_copies.h $(WORKER_HEADERS) | $(WORKER_BUILD)/checked
	$(CC) $(SANITIZE) $(WARNINGS) $(WORKER_TEST_INCLUDES) -c $< -o $@
$(addprefix $(WORKER_BUILD)/checked/,test_ranges.o test_kept.o): target/csd_copies.h
$(addprefix $(WORKER_BUILD)/,test_ranges test_kept): $(WORKER_BUILD)/checked/csd_copies.o

$(WORKER_BUILD)/test_faults: $(TRANSLATOR_CHECKED)
$(WORKER_BUILD)/checked/test_faults.o: $(TRANSLATOR_HEADERS)

$(WORKER_BUILD)/%.csd: $(BUILD)/translator/v3/%.bpf.o $(BUILD)/csd_compile | $(WORKER_BUILD)
	$(BUILD)/csd_compile $< -o $@

# Machine code that no translator has seen, as a blob.
$(WORKER_BUILD)/hostile.csd: worker/tests/hostile.c worker/tests/hostile.h compiler/csd_blob.ld $(WORKER_HEADERS) | $(WORKER_BUILD)
	$(CC) -O2 -std=gnu11 -Wall -Wextra -Werror -ffreestanding -fPIE -fno-stack-protector -fno-asynchronous-unwind-tables \
		$(WORKER_TEST_INCLUDES) -c $< -o $(WORKER_BUILD)/hostile.o
	$(LD) -static --orphan-handling=error -z max-page-size=4096 --defsym blob_code=0x1000000000 \
		--defsym blob_data=0x1040000000 -T compiler/csd_blob.ld $(WORKER_BUILD)/hostile.o -o $(WORKER_BUILD)/hostile.elf
	objcopy -O binary -j .code -j .data $(WORKER_BUILD)/hostile.elf $@

KILL_ROUNDS ?= 100
# As root also with workers that are another user: "nobody".
WORKER_USERS := $(if $(filter 0,$(shell id -u)),'' 65534,'')

.PHONY: check_worker
check_worker: csd_workers $(WORKER_BUILD)/hostile.csd $(WORKER_TESTS:%=$(WORKER_BUILD)/%) $(BLOB_NAMES:%=$(WORKER_BUILD)/%.csd) \
		$(addprefix $(WORKER_BUILD)/,faults.csd writes.csd keeps.csd) $(BLOB_NAMES:%=$(BUILD)/translator/native/%.so)
	$(WORKER_BUILD)/test_memory
	$(WORKER_BUILD)/test_aside
	$(WORKER_BUILD)/test_ring
	$(WORKER_BUILD)/test_blobs $(WORKER_BUILD) $(BUILD)/translator/native $(BLOB_NAMES)
	$(WORKER_BUILD)/test_faults $(WORKER_BUILD) $(WORKER_BUILD)/faults.bpf.o
	$(WORKER_BUILD)/test_ranges $(WORKER_BUILD)
	$(WORKER_BUILD)/test_kept $(WORKER_BUILD)
	for user in $(WORKER_USERS); do $(WORKER_BUILD)/test_worker $(WORKER_BUILD) $$user || exit; done
	for user in $(WORKER_USERS); do $(WORKER_BUILD)/test_kills $(WORKER_BUILD) $(KILL_ROUNDS) $(FUZZ_SEED) $$user || exit; done

CHECKS += check_worker

# --- what it costs

$(BUILD)/csd_worker_bench: worker/csd_worker_bench.c $(addprefix worker/,csd_executor.c csd_kit.c csd_aside.c csd_spawner_link.c csd_memory.c csd_ring.c csd_blob.c) \
		translator/bench.h $(WORKER_HEADERS)
	$(CC) $(CFLAGS) $(WARNINGS) $(WORKER_INCLUDES) -Itranslator $(filter %.c,$^) -o $@

.PHONY: csd_worker_bench
csd_worker_bench: $(BUILD)/csd_worker_bench csd_workers $(WORKER_BUILD)/over_limit.csd $(WORKER_BUILD)/threshold.csd
