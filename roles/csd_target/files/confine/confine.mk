# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# What a process gives up before it does what a stranger wants: the compiler now, the workers later.
#   make check_confine
CONFINE_SOURCES := $(wildcard confine/*.c)
CONFINE_HEADERS := $(wildcard confine/*.h)

# Not under AddressSanitizer: its own calls would be counted among the probes'.
$(BUILD)/confine/test_confine: confine/tests/test_confine.c $(CONFINE_SOURCES) $(CONFINE_HEADERS)
	@mkdir -p $(@D)
	$(CC) -O1 -g -fsanitize=undefined -fno-sanitize-recover=all $(WARNINGS) $(INCLUDES) -Iconfine -Itranslator/tests $(filter %.c,$^) -o $@

.PHONY: check_confine
check_confine: $(BUILD)/confine/test_confine
	$<
CHECKS += check_confine
