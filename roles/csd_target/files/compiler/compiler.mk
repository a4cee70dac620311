# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# eBPF to machine code, in a confined process: docs/engine.md. worker.mk installs it.
#
#   make csd_compile          build/csd_compile PROGRAM.bpf.o -o PROGRAM.csd
#   make check_compiler       its tests, those of the blob, the cache and the confinement
COMPILER_SOURCES := $(wildcard compiler/csd_compile*.c) compiler/csd_lines.c worker/csd_blob.c $(CONFINE_SOURCES)
COMPILER_HEADERS := $(wildcard compiler/*.h worker/*.h) $(CONFINE_HEADERS) $(TRANSLATOR_HEADERS)
COMPILER_INCLUDES := -Icompiler -Iconfine -Iworker -I$(BUILD)/compiler $(TRANSLATOR_INCLUDES)
COMPILER_MADE := $(addprefix $(BUILD)/compiler/,compile_flags.inc csd_blob_ld.inc compile_digest.inc)

# A blob has its addresses from ld, and its areas are found without a table; -g1 is for lines, and changes no code.
BLOB_CFLAGS := $(TRANSLATED_CFLAGS) -fPIE -g1

$(BUILD)/compiler $(BUILD)/compiler/checked:
	mkdir -p $@

# The flags as strings. They may come from the command line of make: written anew when they are others.
.PHONY: compile_flags
$(BUILD)/compiler/compile_flags.inc: compile_flags | $(BUILD)/compiler
	@printf '"%s",\n' $(BLOB_CFLAGS) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/compiler/csd_blob_ld.inc: compiler/csd_blob.ld | $(BUILD)/compiler
	sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@

# Of all that says what a blob is made of, so that no cache gives one that another csd_compile made.
$(BUILD)/compiler/compile_digest.inc: $(TRANSLATOR_SOURCES) $(COMPILER_SOURCES) $(COMPILER_HEADERS) compiler/csd_blob.ld | $(BUILD)/compiler
	cat $(sort $(filter-out translator/tests/%,$(filter %.c %.h %.ld,$^))) | sha256sum | sed 's/\([0-9a-f]*\).*/"\1"/' >$@

COMPILER_OBJECTS := $(patsubst %.c,$(BUILD)/compiler/%.o,$(notdir $(COMPILER_SOURCES)))
COMPILER_CHECKED := $(COMPILER_OBJECTS:$(BUILD)/compiler/%=$(BUILD)/compiler/checked/%)

vpath csd_%.c compiler confine worker
$(BUILD)/compiler/csd_%.o: csd_%.c $(COMPILER_HEADERS) $(COMPILER_MADE) | $(BUILD)/compiler
	$(CC) $(CFLAGS) $(WARNINGS) $(COMPILER_INCLUDES) -c $< -o $@

$(BUILD)/compiler/checked/csd_%.o: csd_%.c $(COMPILER_HEADERS) $(COMPILER_MADE) | $(BUILD)/compiler/checked
	$(CC) $(SANITIZE) $(WARNINGS) $(COMPILER_INCLUDES) -c $< -o $@

$(BUILD)/csd_compile: $(COMPILER_OBJECTS) $(TRANSLATOR_OBJECTS)
	$(CC) $(CFLAGS) $^ -o $@

.PHONY: csd_compile
csd_compile: $(BUILD)/csd_compile

# --- tests

COMPILER_TEST_INCLUDES := $(COMPILER_INCLUDES) -Icompiler/tests -Iengine/tests -Itranslator/tests
COMPILER_TEST := $(BUILD)/compiler/checked

$(COMPILER_TEST)/%.o: compiler/tests/%.c $(wildcard compiler/tests/*.h) $(COMPILER_HEADERS) | $(COMPILER_TEST)
	$(CC) $(SANITIZE) $(WARNINGS) $(COMPILER_TEST_INCLUDES) -c $< -o $@

# csd_compile as it is, under sanitizers.
$(BUILD)/compiler/csd_compile: $(COMPILER_TEST)/stub_entry.o $(COMPILER_CHECKED) $(TRANSLATOR_CHECKED)
	$(CC) $(SANITIZE) -Wl,--wrap=csd_emit_program $^ -o $@

# Every program of the translator's tests, as a blob.
COMPILER_BLOBS := $(TRANSLATED_NAMES:%=$(BUILD)/compiler/blobs/%.csd)
COMPILER_BOMBS := fault9 copy5 jumps4096 deep20000 switch4000 zeros15
# LeakSanitizer stops the process from a second one, which the confinement does not let it have.
COMPILER_CHECKED_RUN := ASAN_OPTIONS=detect_leaks=0:exitcode=99 UBSAN_OPTIONS=exitcode=99

$(BUILD)/compiler/blobs $(BUILD)/compiler/bombs:
	mkdir -p $@

$(BUILD)/compiler/blobs/%.csd: $(BUILD)/translator/v3/%.bpf.o $(BUILD)/compiler/csd_compile | $(BUILD)/compiler/blobs
	$(COMPILER_CHECKED_RUN) $(BUILD)/compiler/csd_compile $< -o $@

$(BUILD)/compiler/blobs/%.csd: $(BUILD)/compiler/bombs/%.o $(BUILD)/compiler/csd_compile | $(BUILD)/compiler/blobs
	$(COMPILER_CHECKED_RUN) $(BUILD)/compiler/csd_compile $< -o $@

$(BUILD)/compiler/bomb: compiler/tests/bomb.c translator/tests/chance.h | $(BUILD)/compiler
	$(CC) $(SANITIZE) $(WARNINGS) -Itranslator/tests $< -o $@

# jumps4096: "jumps 4096"
$(BUILD)/compiler/bombs/%.o: $(BUILD)/compiler/bomb | $(BUILD)/compiler/bombs
	$< $$(echo $* | sed 's/[0-9]/ &/') >$(@:.o=.s)
	$(CLANG) -target bpf -mcpu=v3 -c $(@:.o=.s) -o $@

$(BUILD)/compiler/test_blob: compiler/tests/test_blob.c worker/csd_blob.c $(COMPILER_HEADERS) $(TRANSLATOR_OBJECTS)
	$(CC) -O1 -g -fsanitize=undefined -fno-sanitize-recover=all $(WARNINGS) $(COMPILER_TEST_INCLUDES) $(filter %.c %.o,$^) -ldl -o $@

$(BUILD)/compiler/fuzz_blob: $(addprefix $(COMPILER_TEST)/,fuzz_blob.o csd_blob.o)
	$(CC) $(SANITIZE) $^ -o $@

$(BUILD)/compiler/test_compile_confine: $(addprefix $(COMPILER_TEST)/,test_compile_confine.o csd_compile_confine.o csd_compile_tool.o) \
		$(addprefix $(COMPILER_TEST)/,$(notdir $(CONFINE_SOURCES:.c=.o)))
	$(CC) $(SANITIZE) $^ -o $@

$(BUILD)/compiler/test_compile: $(addprefix $(COMPILER_TEST)/,test_compile.o csd_blob.o)
	$(CC) $(SANITIZE) $^ -o $@

$(BUILD)/compiler/test_job: $(addprefix $(COMPILER_TEST)/,test_job.o stub_entry.o) $(filter-out %/csd_compile.o,$(COMPILER_CHECKED)) \
		$(TRANSLATOR_CHECKED)
	$(CC) $(SANITIZE) -Wl,--wrap=csd_emit_program $^ -o $@

# -g1 changes no byte of code or constants.
$(BUILD)/compiler/same/%: $(BUILD)/translator/v3/%.tr.c compiler/compiler.mk translator/translator.mk
	@mkdir -p $(@D)
	$(CC) $(BLOB_CFLAGS) -c $< -o $@.with.o && $(CC) $(BLOB_CFLAGS) -g0 -c $< -o $@.without.o
	for f in $@.with $@.without; do objcopy -O binary -j .text -j '.text.*' -j '.rodata*' $$f.o $$f || exit; done
	test -s $@.with && cmp $@.with $@.without && rm $@.* && touch $@

$(BUILD)/compiler/test_cache: $(addprefix $(COMPILER_TEST)/,test_cache.o csd_cache.o csd_blob.o)
	$(CC) $(SANITIZE) $^ -lcrypto -o $@

$(BUILD)/compiler/test_blob_get: $(addprefix $(COMPILER_TEST)/,test_blob_get.o csd_blob_get.o csd_cache.o csd_blob.o csd_memory.o csd_refuse.o)
	$(CC) $(SANITIZE) $^ -lcrypto -lpthread -o $@

BLOB_MUTANTS ?= 20000
.PHONY: check_compiler
check_compiler: $(BUILD)/csd_compile $(TRANSLATED_NAMES:%=$(BUILD)/translator/v3/%.so) $(COMPILER_BLOBS) $(addprefix $(BUILD)/compiler/blobs/,fault9.csd copy5.csd) $(addprefix $(BUILD)/compiler/,test_blob fuzz_blob test_compile_confine \
		test_compile test_job test_cache test_blob_get) $(TRANSLATED_NAMES:%=$(BUILD)/compiler/same/%) $(BUILD)/translator/bad/helper.bpf.o $(COMPILER_BOMBS:%=$(BUILD)/compiler/bombs/%.o)
	rm -rf $(BUILD)/compiler/confined && $(COMPILER_CHECKED_RUN) $(BUILD)/compiler/test_compile_confine $(abspath $(BUILD)/compiler)/confined
	$(BUILD)/compiler/test_blob $(BUILD)/compiler/blobs $(BUILD)/translator/v3 $(TRANSLATED_NAMES)
	$(BUILD)/compiler/fuzz_blob $(BLOB_MUTANTS) $(PROGRAMS_SEED) $(COMPILER_BLOBS)
	rm -rf $(BUILD)/compiler/run && mkdir $(BUILD)/compiler/run
	$(BUILD)/compiler/test_cache $(BUILD)/compiler/run $(BUILD)/compiler/blobs/top.csd
	mkdir $(BUILD)/compiler/run/get
	$(BUILD)/compiler/test_blob_get $(BUILD)/compiler/run/get $(BUILD)/csd_compile $(BUILD)/translator/v3/top.bpf.o \
		$(BUILD)/translator/bad/helper.bpf.o
	$(BUILD)/compiler/test_job $(BUILD)/compiler/run $(abspath $(BUILD)/translator/v3/top.bpf.o)
	$(COMPILER_CHECKED_RUN) $(BUILD)/compiler/test_compile $(BUILD)/compiler/csd_compile $(abspath $(BUILD)/compiler)/run \
		$(BUILD)/translator/v3 $(BUILD)/compiler/bombs
CHECKS += check_compiler
