#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Every linter over the whole tree; the first complaint ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
export ANSIBLE_CONFIG=$PWD/ansible.cfg
set -x
ansible-config validate
ruff check .
ruff format --check .
mypy library/*.py scripts/*.py
mypy module_utils/hello_ebpf plugins tests
mypy src/python/csd src/python/tests
MYPYPATH=molecule/fleet/tests mypy molecule
yamllint --strict .
git ls-files '*.sh' .ci/run | xargs shellcheck
ansible-playbook --syntax-check site.yml playbooks/*.yml
ansible-lint
