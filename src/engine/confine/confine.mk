# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# What a process gives up before it does what a stranger wants: the compiler, and the workers.
#   make check_confine
CONFINE := engine/confine
CONFINE_SOURCES := $(wildcard $(CONFINE)/*.c)

# Not under AddressSanitizer: its own calls would be counted among the probes'.
$(BUILD)/confine/test_confine: $(CONFINE)/tests/test_confine.c $(CONFINE_SOURCES) $(ENGINE_HEADERS)
	@mkdir -p $(@D)
	$(CC) -O1 -g -fsanitize=undefined -fno-sanitize-recover=all $(WARNINGS) $(ENGINE_TEST_INCLUDES) $(filter %.c,$^) -o $@

.PHONY: check_confine
check_confine: $(BUILD)/confine/test_confine
	$<
check: check_confine
