# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# The programs, compiled on the builder: `csd_tgt --program-blobs` runs them on a node without a compiler
# (docs/workers.md).
COMPILED_PROGRAMS := $(BUILD)/programs/compiled

$(BUILD)/csd_blobs: $(addprefix $(BUILD)/compiler/,csd_blobs.o csd_blob_get.o csd_cache.o csd_blob.o csd_memory.o) \
		$(BUILD)/translator/csd_refuse.o
	$(CC) $(CFLAGS) $^ -lcrypto -lpthread -o $@

# By one process, for a cache is one's.
$(COMPILED_PROGRAMS)/identity: $(PROGRAM_OBJECTS) $(BUILD)/csd_blobs $(BUILD)/csd_compile
	rm -rf $(@D)
	$(BUILD)/csd_blobs $(abspath $(BUILD))/csd_compile $(@D) $(PROGRAM_OBJECTS)

ALL += $(COMPILED_PROGRAMS)/identity

.PHONY: install_compiled
install_compiled: $(COMPILED_PROGRAMS)/identity
	install -d $(DESTDIR)$(PREFIX)/programs/compiled
	install -m 644 $(COMPILED_PROGRAMS)/* $(DESTDIR)$(PREFIX)/programs/compiled/

INSTALLS += install_compiled
