/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "csd_confine.h"

static bool
confine_has_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capget, &header, has) != 0 ||
	       (has[0].effective | has[0].permitted | has[0].inheritable | has[1].effective | has[1].permitted | has[1].inheritable) != 0;
}

int
csd_confine_privileges(struct csd_confined *confined)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return -errno;
	}
	confined->stands[CSD_LAYER_PRIVILEGES] = true;
	/* With no_new_privs, an exec by root does not bring them back. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
		return -errno;
	}
	/* A service's own filter may not have the call. Who has none needs none. */
	rc = syscall(SYS_capset, &header, none) != 0 ? -errno : 0;
	if (rc != 0 && confine_has_capabilities()) {
		return rc;
	}
	confined->stands[CSD_LAYER_CAPABILITIES] = true;
	return 0;
}

int
csd_confine_descriptors(struct csd_confined *confined, int first)
{
	if (syscall(SYS_close_range, (unsigned int)first, ~0U, 0U) != 0) {
		return errno == ENOSYS ? -EOPNOTSUPP : -errno;
	}
	confined->stands[CSD_LAYER_DESCRIPTORS] = true;
	return 0;
}

static const struct {
	const char *words;
	int landlock_abi;	/* that it needs */
} confine_layers[CSD_LAYERS] = {
	[CSD_LAYER_PRIVILEGES] = {"no_new_privs", 0},
	[CSD_LAYER_CAPABILITIES] = {"no capabilities", 0},
	[CSD_LAYER_DESCRIPTORS] = {"descriptors closed", 0},
	[CSD_LAYER_FILES] = {"files by Landlock", 1},
	[CSD_LAYER_TCP] = {"TCP by Landlock", 4},
	[CSD_LAYER_SIGNALS] = {"signals by Landlock", 6},
	[CSD_LAYER_CALLS] = {"calls by seccomp", 0},
};

/* Appends; a text that is full stays as it is. */
static void
confine_append(char *text, size_t room, const char *before, const char *words)
{
	size_t length = strlen(text);

	snprintf(text + length, room - length, "%s%s", before, words);
}

void
csd_confine_missing(uint32_t layers, char *text, size_t room)
{
	const char *before = "";

	text[0] = '\0';
	for (int i = 0; i < CSD_LAYERS; i++) {
		if (!(layers & 1U << i)) {
			confine_append(text, room, before, confine_layers[i].words);
			before = ", ";
		}
	}
}

void
csd_confine_words(const struct csd_confined *confined, char *text, size_t room)
{
	const char *before = "";

	if (room == 0) {
		return;
	}
	text[0] = '\0';
	for (int i = 0; i < CSD_LAYERS; i++) {
		if (confined->stands[i]) {
			confine_append(text, room, before, confine_layers[i].words);
			before = ", ";
		}
	}
	before = before[0] == '\0' ? "missing: " : "; missing: ";
	for (int i = 0; i < CSD_LAYERS; i++) {
		char why[64] = "";

		if (confined->stands[i]) {
			continue;
		}
		confine_append(text, room, before, confine_layers[i].words);
		if (confine_layers[i].landlock_abi > confined->landlock_abi) {
			snprintf(why, sizeof(why), " (ABI %d is needed, here is %d)", confine_layers[i].landlock_abi,
				 confined->landlock_abi);
		}
		confine_append(text, room, "", why);
		before = ", ";
	}
}
