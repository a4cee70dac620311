# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#
# The verifier's verdict on programs that run in workers: csd_proof.h.
#
#   make check_proof          its tests, with all programs that there are; PROOF_PROGRAMS=1000000 for more by chance
PROOF_OBJECTS := $(TRANSLATOR_SEEDS) $(foreach cpu,$(BUFFER_CPUS),$(BUFFER_NAMES:%=$(BUILD)/buffer/$(cpu)/%.bpf.o))
PROOF_PROGRAMS ?= 20000

$(BUILD)/translator/test_proof: $(addprefix $(TRANSLATOR_TESTED)/,test_proof.o rfc9669.o) $(TRANSLATOR_PROOF) \
		$(TRANSLATOR_CHECKED)
	$(CC) $(SANITIZE) $^ -o $@

.PHONY: check_proof
check_proof: $(BUILD)/translator/test_proof $(PROOF_OBJECTS)
	@$(BUILD)/translator/test_proof $(PROOF_PROGRAMS) $(PROGRAMS_SEED) $(PROOF_OBJECTS)

check: check_proof
