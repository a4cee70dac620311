# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# csd_bench, the benchmark's client, linked against SPDK's initiator: docs/benchmark.md.
#   make check_bench    its unit tests, and those of what it has of common/; they need no SPDK

# What needs neither a device nor SPDK; linked into the program and into every test.
CSD_BENCH_PLAIN := $(addprefix common/,csd_error.o csd_json.o csd_native.o csd_probe.o csd_record.o) \
	$(patsubst %.c,%.o,$(filter-out bench/csd_bench.c bench/csd_io_spdk.c,$(wildcard bench/csd_*.c)))
CSD_BENCH_SPDK := bench/csd_io_spdk.o common/csd_environment.o
CSD_BENCH_LIBRARIES := -laio -lcrypto -lpthread
$(BUILD)/checked/bench/tests/%: INCLUDES += -Ibench
$(CSD_BENCH_SPDK:%=$(BUILD)/%): INCLUDES += $(call spdk_includes,hello_spdk)

.PHONY: csd_bench install_csd_bench
all: csd_bench
csd_bench: $(BUILD)/csd_bench

$(BUILD)/csd_bench: $(BUILD)/bench/csd_bench.o $(addprefix $(BUILD)/,$(CSD_BENCH_SPDK) $(CSD_BENCH_PLAIN))
	$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(call spdk,--libs,hello_spdk) $(CSD_BENCH_LIBRARIES)

install_csd_bench: csd_bench
	install -D -m 755 $(BUILD)/csd_bench $(call into,csd_bench)/bin/csd_bench

# ---- tests; and the whole program but for SPDK's initiator, for tests that call it

CSD_BENCH_CHECKED := $(addprefix $(BUILD)/checked/,$(CSD_BENCH_PLAIN) bench/tests/check_no_spdk.o)
CSD_BENCH_TESTS := $(patsubst bench/tests/%.c,$(BUILD)/bench/tests/%,$(wildcard bench/tests/test_*.c))

$(BUILD)/checked/csd_bench: $(BUILD)/checked/bench/csd_bench.o $(CSD_BENCH_CHECKED)
	$(CC) $(SANITIZE) $^ -o $@ $(CSD_BENCH_LIBRARIES)

$(CSD_BENCH_TESTS): $(BUILD)/bench/tests/%: $(BUILD)/checked/bench/tests/%.o $(CSD_BENCH_CHECKED)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $^ -o $@ $(CSD_BENCH_LIBRARIES)

.PHONY: check_bench
# They write beside themselves.
check_bench: $(CSD_BENCH_TESTS)
	@cd $(BUILD)/bench/tests && for test in $(^F); do ./$$test || exit 1; done
check: check_bench
