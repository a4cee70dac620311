# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# nvme_tcp_trace: NVMe/TCP as the kernel sees it pass (docs/nvme_tcp_trace.md). examples.mk builds it as it builds the others.
#   make check_trace    the tests of what runs in user space too
KERNEL_PROGRAMS += trace/nvme_tcp_trace
trace/nvme_tcp_trace_PARTS := trace/nvme_tcp_hook.c trace/nvme_tcp_show.c
# Atomic exchange; Linux 5.12 and later know it.
$(BUILD)/trace/nvme_tcp_trace.bpf.o: KERNEL_CFLAGS += -mcpu=v3

TRACE_TESTS := $(patsubst trace/tests/%.c,$(BUILD)/trace/tests/%,$(wildcard trace/tests/test_*.c))
$(BUILD)/checked/trace/tests/%: INCLUDES = -Icommon -Itrace
# link_bytes is a constant of the program, and an argument of its parts.
$(BUILD)/checked/trace/tests/%: WARNINGS += -Wno-shadow
$(BUILD)/trace/tests/test_nvme_tcp_show: $(BUILD)/checked/trace/nvme_tcp_show.o

$(TRACE_TESTS): $(BUILD)/trace/tests/%: $(BUILD)/checked/trace/tests/%.o
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $^ -o $@

.PHONY: check_trace
check_trace: $(TRACE_TESTS)
	@for test in $^; do $$test || exit 1; done
check: check_trace
