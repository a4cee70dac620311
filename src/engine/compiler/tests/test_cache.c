/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The cache: what was put is what is got; what was altered, cut off or left half is not; the oldest goes.
 *
 *	test_cache FOLDER BLOB	FOLDER: this test's own
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "csd_cache.h"
#include "test.h"

#define IDENTITY	"csd_compile 00\ngcc 12\n"

static struct file blob;
static int blob_file;
static char folder[512];

static char *
entry_path(const char *name)
{
	static char path[1024];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void
open_cache(struct csd_cache *cache, uint64_t most)
{
	int rc = csd_cache_open(cache, folder, most);

	CHECK(rc == 0, "%s: %s", folder, strerror(-rc));
}

static void
name_of(char name[CSD_CACHE_NAME], uint64_t number)
{
	CHECK_EQUAL(csd_cache_name(name, IDENTITY, &number, sizeof(number)), 0);
}

static void
expect_hit(const struct csd_cache *cache, const char *name)
{
	int copy = csd_cache_get(cache, name);
	struct stat status;
	char *bytes;

	CHECK(copy >= 0, "%s: %s", name, strerror(-copy));
	CHECK(fstat(copy, &status) == 0 && (size_t)status.st_size == blob.length, "%s: another length", name);
	bytes = malloc(blob.length);
	CHECK(pread(copy, bytes, blob.length, 0) == (ssize_t)blob.length && memcmp(bytes, blob.bytes, blob.length) == 0, "%s", name);
	/* It stays so: a worker maps it. */
	CHECK(write(copy, "x", 1) == -1 && errno == EPERM && ftruncate(copy, 0) == -1 && errno == EPERM, "%s can be changed", name);
	CHECK(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, copy, 0) == MAP_FAILED, "%s can be written", name);
	free(bytes);
	close(copy);
}

static void
check_names(void)
{
	char a[CSD_CACHE_NAME], b[CSD_CACHE_NAME];

	/* printf 'csd_compile 00\ngcc 12\n\0abc' | sha256sum */
	CHECK_EQUAL(csd_cache_name(a, IDENTITY, "abc", 3), 0);
	CHECK(strcmp(a, "a896702f22b257ccf09fe78c6d8363624f5fb18832466288594d4f261c3b7f29") == 0, "%s", a);
	CHECK_EQUAL(csd_cache_name(b, IDENTITY "abc", "", 0), 0);
	CHECK(strcmp(a, b) != 0, "what is the compiler's, and what the object's");
	CHECK_EQUAL(csd_cache_name(b, "csd_compile 01\ngcc 12\n", "abc", 3), 0);
	CHECK(strcmp(a, b) != 0, "another compiler");
}

static void
check_use(void)
{
	char name[CSD_CACHE_NAME], other[CSD_CACHE_NAME];
	struct csd_cache cache;
	struct stat status;

	name_of(name, 1);
	name_of(other, 2);
	open_cache(&cache, 1 << 20);
	CHECK(stat(folder, &status) == 0 && (status.st_mode & 0777) == 0700, "mode %o", status.st_mode);
	CHECK_EQUAL(csd_cache_get(&cache, name), -ENOENT);
	CHECK_EQUAL(csd_cache_put(&cache, name, blob_file), 0);
	expect_hit(&cache, name);
	CHECK_EQUAL(csd_cache_put(&cache, name, blob_file), 0);
	expect_hit(&cache, name);
	CHECK_EQUAL(csd_cache_get(&cache, other), -ENOENT);
	CHECK_EQUAL(csd_cache_get(&cache, "../cache"), -EINVAL);
	CHECK_EQUAL(csd_cache_put(&cache, "unfinished", blob_file), -EINVAL);
	csd_cache_close(&cache);
	/* Of a process that is no longer. */
	open_cache(&cache, 1 << 20);
	expect_hit(&cache, name);
	csd_cache_close(&cache);
}

static void
check_altered(void)
{
	char name[CSD_CACHE_NAME];
	struct csd_cache cache;
	/* A byte of the header, of the code, of the last line, of the digest; shorter, longer, nothing. */
	const off_t at[] = {20, 300, blob.length - 1, blob.length + 31, -1, -2, -3}, lengths[] = {blob.length + 31, blob.length + 33, 0};

	name_of(name, 1);
	open_cache(&cache, 1 << 20);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		int file;
		uint8_t byte;

		CHECK_EQUAL(csd_cache_put(&cache, name, blob_file), 0);
		file = open(entry_path(name), O_RDWR);
		CHECK(file >= 0, "%s", entry_path(name));
		if (at[i] >= 0) {
			CHECK(pread(file, &byte, 1, at[i]) == 1, "read");
			byte ^= 4;
			CHECK(pwrite(file, &byte, 1, at[i]) == 1, "write");
		} else {
			CHECK(ftruncate(file, lengths[-1 - at[i]]) == 0, "cut");
		}
		close(file);
		CHECK(csd_cache_get(&cache, name) == -ENOENT && access(entry_path(name), F_OK) != 0, "change %zu is not found", i);
	}
	CHECK_EQUAL(csd_cache_put(&cache, name, blob_file), 0);
	expect_hit(&cache, name);
	/* Somebody else's file under a name. */
	unlink(entry_path(name));
	CHECK(symlink("/etc/passwd", entry_path(name)) == 0, "link");
	CHECK_EQUAL(csd_cache_get(&cache, name), -ELOOP);
	CHECK_EQUAL(csd_cache_put(&cache, name, blob_file), 0);
	expect_hit(&cache, name);
	csd_cache_close(&cache);
}

static void
check_interrupted(void)
{
	char name[CSD_CACHE_NAME];
	struct csd_cache cache;
	int status;
	pid_t pid;

	name_of(name, 7);
	pid = fork();
	if (pid == 0) {
		const struct rlimit limit = {.rlim_cur = blob.length / 2, .rlim_max = blob.length / 2};

		/* The signal that comes in the middle of the write. */
		open_cache(&cache, 1 << 20);
		setrlimit(RLIMIT_FSIZE, &limit);
		signal(SIGXFSZ, SIG_DFL);
		csd_cache_put(&cache, name, blob_file);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "it was not interrupted: %#x", status);
	CHECK(access(entry_path("unfinished"), F_OK) == 0, "nothing was begun");
	open_cache(&cache, 1 << 20);
	CHECK(access(entry_path("unfinished"), F_OK) != 0, "what was begun is left");
	CHECK_EQUAL(csd_cache_get(&cache, name), -ENOENT);
	/* No room: an error, and nothing is left. */
	pid = fork();
	if (pid == 0) {
		const struct rlimit limit = {.rlim_cur = blob.length / 2, .rlim_max = blob.length / 2};

		setrlimit(RLIMIT_FSIZE, &limit);
		signal(SIGXFSZ, SIG_IGN);
		_exit(csd_cache_put(&cache, name, blob_file) == -EFBIG && access(entry_path("unfinished"), F_OK) != 0 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "no room: %#x", status);
	csd_cache_close(&cache);
}

static void
set_used(const char *name, time_t seconds)
{
	const struct timespec times[] = {{seconds, 0}, {seconds, 0}};

	CHECK(utimensat(AT_FDCWD, entry_path(name), times, 0) == 0, "%s", name);
}

static void
check_room(void)
{
	uint64_t each = blob.length + 32;
	char names[5][CSD_CACHE_NAME];
	struct csd_cache cache;

	for (int i = 0; i < 5; i++) {
		name_of(names[i], 100 + i);
	}
	open_cache(&cache, 3 * each);
	/* Of the tests before this one. */
	name_of(names[0], 1);
	set_used(names[0], 10);
	name_of(names[0], 100);
	for (int i = 0; i < 3; i++) {
		CHECK_EQUAL(csd_cache_put(&cache, names[i], blob_file), 0);
		set_used(names[i], 1000 + i);
	}
	/* The first is used, so that the second is the oldest. */
	expect_hit(&cache, names[0]);
	CHECK_EQUAL(csd_cache_put(&cache, names[3], blob_file), 0);
	CHECK_EQUAL(csd_cache_get(&cache, names[1]), -ENOENT);
	expect_hit(&cache, names[0]);
	expect_hit(&cache, names[2]);
	expect_hit(&cache, names[3]);
	/* Again the same: nobody has to go. */
	CHECK_EQUAL(csd_cache_put(&cache, names[3], blob_file), 0);
	expect_hit(&cache, names[0]);
	csd_cache_close(&cache);
	/* A smaller one, and one for nothing. */
	open_cache(&cache, each);
	CHECK_EQUAL(csd_cache_put(&cache, names[4], blob_file), 0);
	expect_hit(&cache, names[4]);
	for (int i = 0; i < 4; i++) {
		CHECK_EQUAL(csd_cache_get(&cache, names[i]), -ENOENT);
	}
	csd_cache_close(&cache);
	open_cache(&cache, each - 1);
	CHECK_EQUAL(csd_cache_put(&cache, names[0], blob_file), -EFBIG);
	expect_hit(&cache, names[4]);
	csd_cache_close(&cache);
}

static void
check_refused(void)
{
	int other = open("/usr/bin/env", O_RDONLY), empty = memfd_create("empty", 0);
	char name[CSD_CACHE_NAME];
	struct csd_cache cache;

	name_of(name, 1);
	open_cache(&cache, 1 << 20);
	CHECK_EQUAL(csd_cache_put(&cache, name, other), -EINVAL);
	CHECK_EQUAL(csd_cache_put(&cache, name, empty), -EINVAL);
	csd_cache_close(&cache);
	close(other);
	close(empty);
	/* A folder that others may write to. */
	CHECK(chmod(folder, 0777) == 0, "%s", folder);
	CHECK_EQUAL(csd_cache_open(&cache, folder, 1 << 20), -EPERM);
	CHECK(chmod(folder, 0700) == 0, "%s", folder);
	CHECK_EQUAL(csd_cache_open(&cache, "/no/such/folder", 1 << 20), -ENOENT);
}

static void
expect_folder(const char *path, int wanted, const char *words)
{
	char reason[CSD_REASON_BYTES] = "";

	CHECK_EQUAL(csd_cache_check(path, reason), wanted);
	CHECK(strcmp(reason, words) == 0, "%s: '%s'", path, reason);
}

/* A folder of this user alone: what is none is said. */
static void
check_folder(const char *parent)
{
	char path[600], words[CSD_REASON_BYTES];
	struct stat status;
	mode_t mask;

	snprintf(path, sizeof(path), "%s/own", parent);
	mask = umask(0117);	/* as the service's is */
	expect_folder(path, 0, "");
	umask(mask);
	CHECK(stat(path, &status) == 0 && (status.st_mode & 07777) == 0700, "made with mode %o", status.st_mode);
	expect_folder(path, 0, "");
	CHECK(chmod(path, 0750) == 0, "chmod");
	expect_folder(path, -EPERM, "its mode is 0750: make it 0700");
	CHECK(chmod(path, 0700) == 0, "chmod");
	if (geteuid() == 0) {
		CHECK(chown(path, 65534, -1) == 0, "chown");
		expect_folder(path, -EPERM, "it belongs to user 65534, and this is user 0: give a folder that nobody else has");
	} else {
		snprintf(words, sizeof(words), "it belongs to user 0, and this is user %u: give a folder that nobody else has", geteuid());
		expect_folder("/", -EPERM, words);
	}
	snprintf(path, sizeof(path), "%s/link", parent);
	CHECK(symlink("own", path) == 0, "symlink");
	expect_folder(path, -ENOTDIR, "it is no folder");
	snprintf(path, sizeof(path), "%s/not/there", parent);
	expect_folder(path, -ENOENT, "it cannot be made: No such file or directory");
}

static void
check_identity(void)
{
	struct csd_cache cache;
	char kept[64];

	open_cache(&cache, 1 << 20);
	CHECK_EQUAL(csd_cache_kept_identity(&cache, kept, sizeof(kept)), -ENOENT);
	CHECK_EQUAL(csd_cache_keep_identity(&cache, "another"), 0);
	CHECK_EQUAL(csd_cache_keep_identity(&cache, IDENTITY), 0);
	csd_cache_close(&cache);
	open_cache(&cache, 1 << 20);
	CHECK_EQUAL(csd_cache_kept_identity(&cache, kept, sizeof(kept)), 0);
	CHECK(strcmp(kept, IDENTITY) == 0, "%s", kept);
	CHECK_EQUAL(csd_cache_kept_identity(&cache, kept, sizeof(IDENTITY) - 1), -EFBIG);
	csd_cache_close(&cache);
}

int
main(int argc, char **argv)
{
	CHECK(argc == 3, "usage: test_cache FOLDER BLOB");
	snprintf(folder, sizeof(folder), "%s/cache", argv[1]);
	blob = read_whole(argv[2]);
	blob_file = open(argv[2], O_RDONLY);
	check_folder(argv[1]);
	check_names();
	check_identity();
	check_use();
	check_altered();
	check_interrupted();
	check_room();
	check_refused();
	free(blob.bytes);
	printf("test_cache: passed\n");
	return 0;
}
