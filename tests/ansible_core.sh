#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# The playbooks by another ansible-core than the pinned one: ansible_core.sh ENVIRONMENT
# All are read, and every unit test that runs ansible-playbook is run: plugins, preflight with right and wrong variables,
# roles' refusals.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$PWD/${1:?the Python environment}
export ANSIBLE_CONFIG=$PWD/ansible.cfg

"$environment/bin/python" -c 'import sys, ansible.release
print(f"ansible-core {ansible.release.__version__} on Python {sys.version.split()[0]}")'
"$environment/bin/ansible-playbook" --syntax-check site.yml playbooks/*.yml
mapfile -t tests < <(tests/unit.sh playbooks)
"$environment/bin/python" -m pytest -n 2 --timeout=300 --junitxml="build/junit/ansible${1#.venv}.xml" "${tests[@]}"
