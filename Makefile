# The verbs of the lab. `make` alone lists them.
#
# Needs root, Python >= 3.11 and a package mirror; everything else is installed by what stands here.

PYTHON ?= python3
INVENTORY ?= inventory/local
# Further arguments for ansible-playbook, e.g. make lab ARGS='-e spdk_source=git'
ARGS ?=
# Ansible looks for none where others may write to this folder, as on WSL.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

VENV := .venv
BIN := $(VENV)/bin
PLAYBOOK := ANSIBLE_CALLBACK_RESULT_FORMAT=yaml $(BIN)/ansible-playbook -i $(INVENTORY) $(ARGS)

.PHONY: help
help: ## List what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

.PHONY: lab
lab: $(VENV)/.run ## Bring the whole lab up on this machine and write reports/latest/report.json
	$(PLAYBOOK) site.yml

.PHONY: plan
plan: $(VENV)/.run ## Show what `make lab` would change, and change nothing
	$(PLAYBOOK) site.yml --check --diff

.PHONY: bench
bench: $(VENV)/.run ## Measure again on the running lab and write a new report
	$(PLAYBOOK) playbooks/bench.yml -e csd_bench_measure=true

.PHONY: teardown
teardown: $(VENV)/.run ## Take everything down
	$(PLAYBOOK) playbooks/teardown.yml

.PHONY: check
check: $(VENV)/.test ## The quick tests: lint, quick unit tests, C tests where C has changed; no service is started
	tests/together.sh lint changed-c-tests quick-unit

# The machines are made while the quick tests run. The guest takes the packages that the fleet has built.
.PHONY: test
test: $(VENV)/.test ## Everything that CI runs; about an hour on two cores
	rm -rf build/stages.txt build/junit build/coverage
	tests/together.sh lint c-tests unit ansible-oldest machines
	tests/together.sh test-default
	tests/together.sh test-fleet
	tests/together.sh test-fresh test-vm
	@echo "Time of the stages:" && cat build/stages.txt

# The slow part of every scenario's first run.
.PHONY: machines
machines: $(VENV)-molecule/.stamp
	$(PYTHON) tests/machines/images.py all 12

.PHONY: test-all
test-all: export HELLO_EBPF_ALL := yes
test-all: export HELLO_EBPF_FUZZ_SEED := random
# Every interrupt alone takes more than an hour.
test-all: export HELLO_EBPF_STAGE_SECONDS := 14400
test-all: test ## The same with every interrupt and other mutants each time; Debian 13's guest; tests of the tests
	$(MAKE) --no-print-directory test-vm RELEASE=13
	$(MAKE) --no-print-directory test-broken

# KEEP=1 leaves the machines of a scenario for inspection; STEP='verify tests/works' takes one step on them again.
STEP ?=
SCENARIO = $(PYTHON) tests/machines/scenario.py $(if $(STEP),--step '$(STEP)')

.PHONY: test-default
test-default: $(if $(STEP),,$(VENV)-molecule/.stamp) ## One machine: Debian 12 and 13 containers with systemd, side by side
	$(SCENARIO) default

.PHONY: test-fleet
test-fleet: $(if $(STEP),,$(VENV)-molecule/.stamp) ## A builder, storage nodes and hosts: containers on a network of their own
	$(SCENARIO) fleet

.PHONY: test-vm
test-vm: $(if $(STEP),,$(VENV)-molecule/.stamp) ## A virtual machine with Debian's kernel and its nvme-tcp: reboot, kill; RELEASE=13
	$(SCENARIO) vm --release $(or $(RELEASE),12)

.PHONY: test-fresh
test-fresh: ## `make lab` on a fresh minimal Debian, and the integration tests there
	$(PYTHON) tests/fresh/run.py

# Which live tests, as pytest's -k takes it: make live K=tool
K ?=
.PHONY: live
live: ## Live tests of this working tree in a container that stays for the next time: K=name
	$(PYTHON) tests/fresh/live.py $(if $(K),'$(K)')

.PHONY: test-broken
test-broken: $(VENV)-molecule/.stamp ## Tests of the tests: variables are set wrongly, and the scenarios have to notice
	tests/break.sh

.PHONY: fleet-figures
fleet-figures: $(VENV)-molecule/.stamp ## How long site.yml takes on 1, 4 and 12 nodes
	$(PYTHON) tests/measure/fleet_time.py

.PHONY: flood-figures
flood-figures: $(VENV)/.test ## What hosts notice while a stranger floods the target with 10,000 connections
	$(BIN)/python tests/measure/flood.py

.PHONY: lint
lint: $(VENV)/.test ## ansible-lint, yamllint, ruff, mypy, shellcheck, ansible-config
	tests/lint.sh

.PHONY: unit
unit: $(VENV)/.test ## Unit tests of modules, module_utils and the package csd
	tests/unit.sh

.PHONY: quick-unit
quick-unit: $(VENV)/.test
	tests/unit.sh quick

.PHONY: ansible-oldest
ansible-oldest: $(VENV)-oldest/.stamp ## Playbooks and plugins with the oldest ansible-core that they run with
	tests/ansible_core.sh $(VENV)-oldest

# It wants a newer Python than Debian 12 has: test-fresh runs it on a Debian 13.
.PHONY: ansible-newest
ansible-newest: $(VENV)-newest/.stamp ## The same with the newest
	tests/ansible_core.sh $(VENV)-newest

.PHONY: c-tests
c-tests: ## Tests of the C code under AddressSanitizer and UBSan
	tests/c_tests.sh

.PHONY: changed-c-tests
changed-c-tests:
	tests/c_tests.sh changed

# For how many seconds, or with TIME= how many streams; SEED=random, or one that failed; FIRST= the first stream.
TIME ?= 600
SEED ?= random
.PHONY: fuzz
fuzz: $(VENV)/.test ## Mutated streams against a sanitized csd_tgt: TIME=600 (seconds), SEED=, FIRST=, STREAMS=
	tests/sanitized/build.sh build/sanitized
	HELLO_EBPF_CSD_TGT=$(CURDIR)/build/sanitized/checked/csd_tgt HELLO_EBPF_FUZZ_SEED=$(SEED) \
	HELLO_EBPF_FUZZ_SECONDS=$(if $(STREAMS),,$(TIME)) HELLO_EBPF_FUZZ_STREAMS=$(STREAMS) HELLO_EBPF_FUZZ_FIRST=$(FIRST) \
	  $(BIN)/pytest -s tests/integration/test_csd_fuzz_live.py

.PHONY: pin
pin: $(VENV)/.test ## Pin requirements*.txt anew from requirements*.in, with hashes
	$(BIN)/python -m pip install --quiet uv
	for name in requirements requirements-test requirements-molecule requirements-oldest requirements-newest; do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
	    $$(case $$name in *-oldest) ;; *) echo --upgrade ;; esac) \
	    --python-version $$(case $$name in *-newest) echo 3.12 ;; *) echo 3.11 ;; esac) $$name.in -o $$name.txt; \
	done

# Of this project alone: build/collection/hello_ebpf-lab-<version>.tar.gz
.PHONY: collection
collection: $(VENV)/.run ## Build the collection hello_ebpf.lab, for playbooks of others: docs/collection.md
	rm -f build/collection/*.tar.gz
	staged=$$($(BIN)/python scripts/collection.py build/collection) && \
	  $(BIN)/ansible-galaxy collection build --output-path build/collection "$$staged"

.PHONY: clean
clean: ## Remove the Python environments (reports stay)
	rm -rf $(VENV) $(VENV)-molecule $(VENV)-oldest $(VENV)-newest

# The environments are made anew when the pinned requirements change. Each stamp holds the digest of what was installed.
$(VENV)/.run: requirements.txt scripts/python_environment.sh
	scripts/python_environment.sh $(PYTHON) $(VENV) requirements.txt $@

$(VENV)/.test: requirements-test.txt scripts/python_environment.sh
	scripts/python_environment.sh $(PYTHON) $(VENV) requirements-test.txt $@
	touch $(VENV)/.run

# Environments of tests. The molecule scenarios' own has `ansible` with its collections, which is not for users.
$(VENV)-%/.stamp: requirements-%.txt scripts/python_environment.sh
	scripts/python_environment.sh $(PYTHON) $(VENV)-$* $< $@
