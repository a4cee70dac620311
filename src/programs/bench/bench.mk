# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# What programs cost: docs/benchmark.md.
#
#   make csd_program_bench     then build/csd_program_bench build/programs
#   make check_program_bench   its tests
BENCH := programs/bench
BENCH_NAMES := $(RECORD_NAMES) $(BUFFER_NAMES)
BENCH_NATIVES := $(BENCH_NAMES:%=$(BUILD)/programs/native/%.so)
BENCH_BUILD := $(BUILD)/program_bench
BENCH_OBJECTS := $(addprefix $(BUILD)/,$(addprefix $(BENCH)/,csd_program_bench.o csd_bench_code.o csd_bench_compile.o csd_bench_run.o) \
	$(addprefix $(BUFFER)/tests/,jobs.o sample_btree.o samples.o) $(WORKER)/csd_blob.o \
	$(addprefix common/,csd_native.o csd_record.o csd_json.o))
BENCH_DEFINES = -DBENCH_BUFFERS='"$(BUFFER_NAMES)"' -DBENCH_RECORDS='"$(BUFFER_RECORDS)"' -DBENCH_NATIVE='"$(CFLAGS)"' \
	-DBENCH_DRIVE='"$(BLOB_CFLAGS)"'

$(BUILD)/programs/native:
	mkdir -p $@

$(BUILD)/$(BENCH)/% $(BUILD)/$(BUFFER)/tests/%: INCLUDES = -I$(BENCH) -I$(BUFFER)/tests -I$(BUFFER) $(ENGINE_TEST_INCLUDES)
# They have flags and names in them, and this file says which.
$(BUILD)/$(BENCH)/%: DEFINES = $(BENCH_DEFINES)
$(BUILD)/$(BENCH)/csd_program_bench.o: $(BENCH)/bench.mk $(BUFFER)/buffer.mk

$(BUILD)/csd_program_bench: $(BENCH_OBJECTS)
	$(CC) $(CFLAGS) $^ -ldl -o $@

# Of both kinds, and from both folders.
define BENCH_NATIVE_OF
$(BUILD)/programs/native/%.so: $(1)/%.bpf.c $(BUFFER)/native.c $(BUFFER_HEADERS) programs/sensor.h $(WORKER)/csd_call.h | $(BUILD)/programs/native
	$$(CC) $$(CFLAGS) $$(BUFFER_NATIVE) -o $$@
endef
$(foreach folder,programs $(BUFFER),$(eval $(call BENCH_NATIVE_OF,$(folder))))

.PHONY: csd_program_bench install_program_bench check_program_bench
csd_program_bench: $(BUILD)/csd_program_bench $(BENCH_NATIVES) $(PROGRAM_OBJECTS) $(BUILD)/csd_compile
csd_target: csd_program_bench

install_csd_target: install_program_bench
install_program_bench: csd_program_bench
	install -d $(addprefix $(call into,csd_target)/,bin programs/native)
	install -m 755 $(BUILD)/csd_program_bench $(call into,csd_target)/bin/
	install -m 644 $(BENCH_NATIVES) $(call into,csd_target)/programs/native/

# All programs, whose ways must agree; then natives that are other programs, of both kinds, and one whose records are others
# while all counts are right: each must be seen.
BENCH_WRONG := threshold=sample aggregate=top count_range=group_by tpch_q6=tpch_q1
BENCH_TRIED := $(BUILD)/csd_program_bench --megabytes 1 --repeats 2 --compiles 1

$(BENCH_BUILD)/bytes/%.so: programs/%.bpf.c $(BUFFER)/native.c $(BENCH_NATIVES)
	mkdir -p $(@D)
	sed 's/memcpy(out, record,/memcpy(out, record + 1,/' $(BUFFER)/native.c >$(@D)/native.c
	! cmp -s $(BUFFER)/native.c $(@D)/native.c
	$(CC) $(CFLAGS) $(subst $(BUFFER)/native.c,$(@D)/native.c,$(BUFFER_NATIVE)) -o $@

check_program_bench: csd_program_bench $(BENCH_BUILD)/bytes/threshold.so
	$(BENCH_TRIED) --json $(BUILD)/programs | python3 $(BENCH)/check_json.py $(BENCH_NAMES)
	! $(BENCH_TRIED) --program threshold --natives $(BENCH_BUILD)/bytes $(BUILD)/programs >/dev/null 2>$(BENCH_BUILD)/said
	grep '^csd_program_bench: threshold .* or bytes or state differ$$' $(BENCH_BUILD)/said
	for pair in $(BENCH_WRONG); do \
		rm -rf $(BENCH_BUILD)/wrong && mkdir $(BENCH_BUILD)/wrong && \
		cp $(BUILD)/programs/native/$${pair#*=}.so $(BENCH_BUILD)/wrong/$${pair%=*}.so && \
		! $(BENCH_TRIED) --program $${pair%=*} --natives $(BENCH_BUILD)/wrong $(BUILD)/programs >/dev/null 2>$(BENCH_BUILD)/said && \
		grep -q "^csd_program_bench: $${pair%=*}" $(BENCH_BUILD)/said || { cat $(BENCH_BUILD)/said; exit 1; }; done
check: check_program_bench
