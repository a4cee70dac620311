# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# eBPF to machine code, in a confined process: docs/engine.md. worker.mk installs it.
#
#   make csd_compile          build/csd_compile PROGRAM.bpf.o -o PROGRAM.csd
#   make check_compiler       its tests, and those of the blob and the cache; BLOB_MUTANTS=1000000, COMPILER_KILLS=1000 for more of them
COMPILER := engine/compiler
COMPILER_SOURCES := $(wildcard $(COMPILER)/csd_compile*.c) $(COMPILER)/csd_lines.c engine/worker/csd_blob.c $(CONFINE_SOURCES)
COMPILER_OBJECTS := $(COMPILER_SOURCES:%.c=$(BUILD)/%.o)
COMPILER_CHECKED := $(COMPILER_SOURCES:%.c=$(BUILD)/checked/%.o)
CONFINE_CHECKED := $(CONFINE_SOURCES:%.c=$(BUILD)/checked/%.o)

# -fPIE: a blob's data are at a known distance from its code, and asked of no table. -g1 is for the table of lines, and
# changes no code.
BLOB_CFLAGS := $(TRANSLATED_CFLAGS) -fPIE -g1

$(BUILD)/compiler $(BUILD)/compiler/blobs $(BUILD)/compiler/bombs $(BUILD)/compiler/same:
	mkdir -p $@

# The flags as strings. They may come from the command line of make: written anew when they are others.
.PHONY: compile_flags
$(BUILD)/compiler/compile_flags.inc: compile_flags | $(BUILD)/compiler
	@printf '"%s",\n' $(BLOB_CFLAGS) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/compiler/csd_blob_ld.inc: $(COMPILER)/csd_blob.ld | $(BUILD)/compiler
	sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@

# Of all that says what a blob is made of, so that no cache gives one that another csd_compile made.
COMPILER_DIGESTED := $(sort $(TRANSLATOR_SOURCES) $(COMPILER_SOURCES) $(COMPILER)/csd_blob.ld protocol/csd_bpf.h \
	$(wildcard engine/*/*.h))
$(BUILD)/compiler/compile_digest.inc: $(COMPILER_DIGESTED) | $(BUILD)/compiler
	@cat $(COMPILER_DIGESTED) | sha256sum | sed 's/\([0-9a-f]*\).*/"\1"/' >$@

$(addsuffix /$(COMPILER)/csd_compile_job.o,$(BUILD) $(BUILD)/checked): \
	$(addprefix $(BUILD)/compiler/,compile_flags.inc csd_blob_ld.inc compile_digest.inc)

$(BUILD)/csd_compile: $(COMPILER_OBJECTS) $(TRANSLATOR_OBJECTS)
	$(CC) $(CFLAGS) $^ -o $@

.PHONY: csd_compile
csd_compile: $(BUILD)/csd_compile

# --- tests

COMPILER_TESTED := $(BUILD)/checked/$(COMPILER)/tests
COMPILER_TESTS := test_lines test_blob fuzz_blob test_cache test_blob_get test_job test_compile_confine test_compile
# LeakSanitizer stops the process from a second one, which the confinement does not let it have.
COMPILER_RUN := ASAN_OPTIONS=detect_leaks=0:exitcode=99 UBSAN_OPTIONS=exitcode=99

# csd_compile as it is, and what only needs the process that does the work, under sanitizers.
$(BUILD)/compiler/csd_compile: $(COMPILER_TESTED)/stub_entry.o $(COMPILER_CHECKED) $(TRANSLATOR_CHECKED)
	$(CC) $(SANITIZE) -Wl,--wrap=csd_emit_program $^ -o $@

$(BUILD)/compiler/test_job: $(addprefix $(COMPILER_TESTED)/,test_job.o stub_entry.o) $(filter-out %/csd_compile.o,$(COMPILER_CHECKED)) \
		$(TRANSLATOR_CHECKED)
	$(CC) $(SANITIZE) -Wl,--wrap=csd_emit_program $^ -o $@

# Each with the sources that it names.
COMPILER_LINKED := test_lines fuzz_blob test_cache test_compile test_compile_confine test_blob_get
$(BUILD)/compiler/test_lines: $(addprefix $(BUILD)/checked/,$(COMPILER)/csd_lines.o)
$(BUILD)/compiler/fuzz_blob: $(addprefix $(BUILD)/checked/,engine/worker/csd_blob.o)
$(BUILD)/compiler/test_cache: $(addprefix $(BUILD)/checked/,$(COMPILER)/csd_cache.o engine/worker/csd_blob.o $(TRANSLATOR)/csd_refuse.o)
$(BUILD)/compiler/test_compile: $(addprefix $(BUILD)/checked/,engine/worker/csd_blob.o) $(CONFINE_CHECKED)
$(BUILD)/compiler/test_compile_confine: $(addprefix $(BUILD)/checked/$(COMPILER)/,csd_compile_confine.o csd_compile_tool.o) $(CONFINE_CHECKED)
$(BUILD)/compiler/test_blob_get: $(addprefix $(BUILD)/checked/,$(COMPILER)/csd_blob_get.o $(COMPILER)/csd_cache.o \
	engine/worker/csd_blob.o engine/worker/csd_memory.o $(TRANSLATOR)/csd_refuse.o)
$(addprefix $(BUILD)/compiler/,test_cache test_blob_get): LDLIBS := -lcrypto -lpthread
$(COMPILER_LINKED:%=$(BUILD)/compiler/%): $(BUILD)/compiler/%: $(COMPILER_TESTED)/%.o | $(BUILD)/compiler
	$(CC) $(SANITIZE) $^ $(LDLIBS) -o $@

$(BUILD)/compiler/test_blob: $(COMPILER)/tests/test_blob.c engine/worker/csd_blob.c $(ENGINE_HEADERS) $(TRANSLATOR_OBJECTS)
	$(CC) -O1 -g -fsanitize=undefined -fno-sanitize-recover=all $(WARNINGS) $(ENGINE_TEST_INCLUDES) $(filter %.c %.o,$^) -ldl -o $@

# Every program of the translator's tests as a blob; and programs that are costly to compile, or of which an instruction is
# known: jumps4096 is `bomb jumps 4096`.
COMPILER_FAULTS := fault9 copy5
COMPILER_BOMBS := $(addprefix $(BUILD)/compiler/bombs/,jumps4096.o deep20000.o zeros15.o)
COMPILER_BLOBS := $(TRANSLATED_NAMES:%=$(BUILD)/compiler/blobs/%.csd)

define COMPILER_BLOB
$(BUILD)/compiler/blobs/%.csd: $(BUILD)/$(1) $(BUILD)/compiler/csd_compile | $(BUILD)/compiler/blobs
	$$(COMPILER_RUN) $(BUILD)/compiler/csd_compile $$< -o $$@
endef
$(eval $(call COMPILER_BLOB,translator/v3/%.bpf.o))
$(eval $(call COMPILER_BLOB,compiler/bombs/%.o))

$(BUILD)/compiler/bomb: $(COMPILER)/tests/bomb.c $(TRANSLATOR)/tests/chance.h | $(BUILD)/compiler
	$(CC) $(SANITIZE) $(WARNINGS) -I$(TRANSLATOR)/tests $< -o $@

$(BUILD)/compiler/bombs/%.o: $(BUILD)/compiler/bomb | $(BUILD)/compiler/bombs
	$< $$(echo $* | sed 's/[0-9]/ &/') >$(@:.o=.s)
	$(CLANG) -target bpf -mcpu=v3 -c $(@:.o=.s) -o $@

# -g1 changes no byte of code or constants.
$(BUILD)/compiler/same/%: $(BUILD)/translator/v3/%.tr.c $(COMPILER)/compiler.mk $(TRANSLATOR)/translator.mk | $(BUILD)/compiler/same
	$(CC) $(BLOB_CFLAGS) -c $< -o $@.with.o
	$(CC) $(BLOB_CFLAGS) -g0 -c $< -o $@.without.o
	for f in $@.with $@.without; do objcopy -O binary -j .text -j '.text.*' -j '.rodata*' $$f.o $$f || exit; done
	test -s $@.with && cmp $@.with $@.without && rm $@.* && touch $@

BLOB_MUTANTS ?= 20000
COMPILER_KILLS ?= 40

.PHONY: check_compiler
check_compiler: $(BUILD)/csd_compile $(COMPILER_TESTS:%=$(BUILD)/compiler/%) \
		$(TRANSLATED_NAMES:%=$(BUILD)/compiler/same/%) $(TRANSLATED_NAMES:%=$(BUILD)/translator/v3/%.so) $(COMPILER_BLOBS) $(COMPILER_FAULTS:%=$(BUILD)/compiler/blobs/%.csd) \
		$(COMPILER_BOMBS) $(BUILD)/translator/bad/helper.bpf.o
	rm -rf $(BUILD)/compiler/run && mkdir $(BUILD)/compiler/run
	$(BUILD)/compiler/test_lines
	$(BUILD)/compiler/test_blob $(BUILD)/compiler/blobs $(BUILD)/translator/v3 $(TRANSLATED_NAMES)
	$(BUILD)/compiler/fuzz_blob $(BLOB_MUTANTS) $(PROGRAMS_SEED) $(COMPILER_BLOBS)
	$(BUILD)/compiler/test_cache $(BUILD)/compiler/run $(BUILD)/compiler/blobs/top.csd
	mkdir $(BUILD)/compiler/run/get
	$(BUILD)/compiler/test_blob_get $(BUILD)/compiler/run/get $(BUILD)/csd_compile $(BUILD)/translator/v3/top.bpf.o \
		$(BUILD)/translator/bad/helper.bpf.o $(COMPILER_KILLS) $(PROGRAMS_SEED)
	$(BUILD)/compiler/test_job $(BUILD)/compiler/run $(abspath $(BUILD))/translator/v3/top.bpf.o
	$(COMPILER_RUN) $(BUILD)/compiler/test_compile_confine $(abspath $(BUILD))/compiler/run/confined
	$(COMPILER_RUN) $(BUILD)/compiler/test_compile $(BUILD)/compiler/csd_compile $(BUILD)/compiler/run $(BUILD)/translator/v3 \
		$(BUILD)/compiler/bombs

check: check_compiler
