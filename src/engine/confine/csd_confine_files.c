/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Landlock, by bare system calls: neither libc nor the headers of the oldest Debian know all of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "csd_confine.h"

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE	(1ULL << 14)	/* ABI 3 */
#endif

#define ABI_TCP		4
#define ABI_SIGNALS	6

/* The kernel's struct landlock_ruleset_attr as of ABI 6. An older one takes it as long as what it does not know is 0. */
struct confine_ruleset {
	uint64_t files;
	uint64_t tcp;		/* 1: bind, 2: connect */
	uint64_t scoped;	/* 1: abstract names, 2: signals */
};

/* All that an ABI can forbid. */
static uint64_t
confine_files_all(int abi)
{
	unsigned int rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;

	return (1ULL << rights) - 1;
}

static uint64_t
confine_files_rights(unsigned int rights, bool is_folder)
{
	uint64_t asked = 0;

	if (rights & CSD_CONFINE_READ) {
		asked |= LANDLOCK_ACCESS_FS_READ_FILE | (is_folder ? LANDLOCK_ACCESS_FS_READ_DIR : 0);
	}
	if (rights & CSD_CONFINE_RUN) {
		asked |= LANDLOCK_ACCESS_FS_EXECUTE;
	}
	if (rights & CSD_CONFINE_WRITE) {
		asked |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
			 (is_folder ? LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE : 0);
	}
	return asked;
}

static int
confine_files_add(int ruleset, const struct csd_confine_path *path, uint64_t all)
{
	struct landlock_path_beneath_attr beneath;
	struct stat status;
	int rc = 0;

	beneath.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	if (fstat(beneath.parent_fd, &status) != 0) {
		rc = -errno;
	} else {
		beneath.allowed_access = confine_files_rights(path->rights, S_ISDIR(status.st_mode)) & all;
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0) {
			rc = -errno;
		}
	}
	close(beneath.parent_fd);
	return rc;
}

int
csd_confine_files(struct csd_confined *confined, const struct csd_confine_path *paths, size_t count)
{
	int abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION), ruleset, rc = 0;
	struct confine_ruleset attributes;

	if (abi < 1) {
		/* Not built in, not switched on, or not let through by the filter of a container that does not know it. */
		return errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM ? -EOPNOTSUPP : -errno;
	}
	confined->landlock_abi = abi;
	attributes = (struct confine_ruleset) {
		.files = confine_files_all(abi), .tcp = abi >= ABI_TCP ? 3 : 0, .scoped = abi >= ABI_SIGNALS ? 3 : 0,
	};
	ruleset = syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0) {
		return -errno;
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = confine_files_add(ruleset, &paths[i], attributes.files);
	}
	if (rc == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
		rc = -errno;
	}
	close(ruleset);
	if (rc == 0) {
		confined->stands[CSD_LAYER_FILES] = true;
		confined->stands[CSD_LAYER_TCP] = attributes.tcp != 0;
		confined->stands[CSD_LAYER_SIGNALS] = attributes.scoped != 0;
	}
	return rc;
}
