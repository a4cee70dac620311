# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# What programs cost: docs/benchmark.md.
#
#   make csd_program_bench     then build/csd_program_bench build/programs
#   make check_program_bench   its tests
BENCH := programs/bench
BENCH_NAMES := $(RECORD_NAMES) $(BUFFER_NAMES)
BENCH_NATIVES := $(BENCH_NAMES:%=$(BUILD)/programs/native/%.so)
BENCH_INCLUDES := -I$(BENCH) -I$(BUFFER)/tests -I$(BUFFER) -Iworker -Itranslator/tests $(INCLUDES)
BENCH_OBJECTS := $(addprefix $(BUILD)/bench/,csd_program_bench.o csd_bench_code.o csd_bench_compile.o csd_bench_run.o jobs.o \
	sample_btree.o samples.o csd_blob.o csd_native.o csd_record.o csd_json.o)
BENCH_DEFINES = -DBENCH_BUFFERS='"$(BUFFER_NAMES)"' -DBENCH_RECORDS='"$(BUFFER_RECORDS)"' -DBENCH_NATIVE='"$(CFLAGS)"' \
	-DBENCH_DRIVE='"$(BLOB_CFLAGS)"'

$(BUILD)/bench $(BUILD)/programs/native:
	mkdir -p $@

vpath %.c $(BENCH) $(BUFFER)/tests
$(BUILD)/bench/%.o: %.c $(wildcard $(BENCH)/*.h worker/*.h) $(BUFFER_TEST_HEADERS) $(wildcard programs/*.h) $(BENCH)/bench.mk | $(BUILD)/bench
	$(CC) $(CFLAGS) $(WARNINGS) $(BENCH_INCLUDES) $(BENCH_DEFINES) -c $< -o $@
vpath csd_native.c programs
vpath csd_record.c programs
vpath csd_json.c programs
vpath csd_blob.c worker

$(BUILD)/csd_program_bench: $(BENCH_OBJECTS)
	$(CC) $(CFLAGS) $^ -ldl -o $@

# Of both kinds, and from both folders.
define BENCH_NATIVE_OF
$(BUILD)/programs/native/%.so: $(1)/%.bpf.c $(BUFFER)/native.c $(BUFFER_HEADERS) programs/sensor.h worker/csd_call.h | $(BUILD)/programs/native
	$$(CC) $$(CFLAGS) $$(BUFFER_NATIVE) -o $$@
endef
$(foreach folder,programs $(BUFFER),$(eval $(call BENCH_NATIVE_OF,$(folder))))

.PHONY: csd_program_bench install_program_bench check_program_bench
csd_program_bench: $(BUILD)/csd_program_bench $(BENCH_NATIVES) $(PROGRAM_OBJECTS) $(BUILD)/csd_compile
ALL += csd_program_bench

install_program_bench: csd_program_bench
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/programs/native
	install -m 755 $(BUILD)/csd_program_bench $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(BENCH_NATIVES) $(DESTDIR)$(PREFIX)/programs/native/
INSTALLS += install_program_bench

# All programs, whose ways must agree; then natives that are other programs, of both kinds, and one whose records are others
# while all counts are right: each must be seen.
BENCH_WRONG := threshold=sample aggregate=top count_range=group_by tpch_q6=tpch_q1
BENCH_TRIED := $(BUILD)/csd_program_bench --megabytes 1 --repeats 2 --compiles 1

$(BUILD)/bench/bytes/%.so: programs/%.bpf.c $(BUFFER)/native.c $(BENCH_NATIVES)
	mkdir -p $(@D)
	sed 's/memcpy(out, record,/memcpy(out, record + 1,/' $(BUFFER)/native.c >$(@D)/native.c
	! cmp -s $(BUFFER)/native.c $(@D)/native.c
	$(CC) $(CFLAGS) $(subst $(BUFFER)/native.c,$(@D)/native.c,$(BUFFER_NATIVE)) -o $@

check_program_bench: csd_program_bench $(BUILD)/bench/bytes/threshold.so
	$(BENCH_TRIED) --json $(BUILD)/programs | python3 $(BENCH)/check_json.py $(BENCH_NAMES)
	! $(BENCH_TRIED) --program threshold --natives $(BUILD)/bench/bytes $(BUILD)/programs >/dev/null 2>$(BUILD)/bench/said
	grep '^csd_program_bench: threshold .* or bytes or state differ$$' $(BUILD)/bench/said
	for pair in $(BENCH_WRONG); do \
		rm -rf $(BUILD)/bench/wrong && mkdir $(BUILD)/bench/wrong && \
		cp $(BUILD)/programs/native/$${pair#*=}.so $(BUILD)/bench/wrong/$${pair%=*}.so && \
		! $(BENCH_TRIED) --program $${pair%=*} --natives $(BUILD)/bench/wrong $(BUILD)/programs >/dev/null 2>$(BUILD)/bench/said && \
		grep -q "^csd_program_bench: $${pair%=*}" $(BUILD)/bench/said || { cat $(BUILD)/bench/said; exit 1; }; done
CHECKS += check_program_bench
