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
# Of the collection's tests those in which versions differ most: fresh installs and uses it with both ends. pylint, which
# takes the longest, is the pinned version's, in make unit.
collection=tests/unit/test_collection.py
mapfile -t tests < <(tests/unit.sh playbooks | grep --invert-match --line-regexp "$collection")
names=(it_is_as_ansible_wants_collections the_tools_are_those_that_ansible_test_names every_{module,role}_is_documented)
tests+=("${names[@]/#/$collection::test_}")
"$environment/bin/python" -m pytest -n 2 --timeout=300 -k "not pylint" --junitxml="build/junit/ansible${1#.venv}.xml" "${tests[@]}"
