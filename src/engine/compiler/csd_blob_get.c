/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* memfd_create(), posix_spawn_file_actions_addclosefrom_np() */
#include "csd_blob_get.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "csd_cache.h"
#include "csd_now.h"

#define MOST_ARGUMENTS	30
#define MOST_BLOB	(CSD_BLOB_MAX_CODE + CSD_BLOB_MAX_DATA + CSD_BLOB_MAX_LINES * sizeof(struct csd_blob_line) + CSD_BLOB_PAGE)
#define IDENTITY_BYTES	4096
/* For csd_compile to end all that it has started, once it is asked to. */
#define END_SECONDS	15
/* Between two looks at whether somebody still wants it. */
#define LOOK_MILLISECONDS	50

struct csd_blob_maker {
	struct csd_blob_options options;
	struct csd_cache cache, more;
	bool has_cache, has_more;
	bool lacks_compiler;		/* the identity is what the cache says of its last one */
	pthread_mutex_t lock;		/* of the cache */
	char identity[IDENTITY_BYTES];
};

/* What one csd_compile reads and writes. */
struct get_files {
	int in, out, words;
};

static enum csd_blob_end
blob_get_fail(char reason[CSD_REASON_BYTES], const char *what, int error)
{
	csd_refuse(reason, "%s: %s", what, strerror(error));
	return CSD_BLOB_FAILED;
}

static int
blob_get_spawn(const struct csd_blob_maker *maker, const char *first, const struct get_files *files, pid_t *pid)
{
	char *arguments[MOST_ARGUMENTS + 3] = {"csd_compile"}, *const environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, every;
	int count = 1, rc;

	if (first != NULL) {
		arguments[count++] = (char *)first;
	}
	for (int i = 0; maker->options.arguments != NULL && maker->options.arguments[i] != NULL; i++) {
		if (i == MOST_ARGUMENTS) {
			return E2BIG;
		}
		arguments[count++] = (char *)maker->options.arguments[i];
	}
	rc = posix_spawn_file_actions_init(&actions);
	if (rc != 0) {
		return rc;
	}
	rc = posix_spawnattr_init(&attributes);
	if (rc != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return rc;
	}
	sigemptyset(&none);
	sigfillset(&every);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &every);
	/* In a group of its own: Ctrl-C is for the starter. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn_file_actions_adddup2(&actions, files->in, STDIN_FILENO);
	rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(&actions, files->out, STDOUT_FILENO);
	rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(&actions, files->words, STDERR_FILENO);
	rc = rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	rc = rc != 0 ? rc : posix_spawn(pid, maker->options.compile, &actions, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static bool
blob_get_is_cancelled(const bool *cancelled)
{
	return cancelled != NULL && __atomic_load_n(cancelled, __ATOMIC_RELAXED);
}

/* Whether the process has ended within so many seconds, while it was wanted. It is not reaped. */
static bool
blob_get_ended(pid_t pid, uint32_t seconds, const bool *cancelled)
{
	uint64_t deadline = csd_now() + seconds * 1000000000ULL, now;
	int handle = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd look = {.fd = handle, .events = POLLIN};
	bool ended = false;

	while (handle >= 0 && !ended && !blob_get_is_cancelled(cancelled) && (now = csd_now()) < deadline) {
		int left = (int)((deadline - now) / 1000000) + 1;

		ended = poll(&look, 1, left < LOOK_MILLISECONDS ? left : LOOK_MILLISECONDS) > 0;
	}
	if (handle >= 0) {
		close(handle);
	}
	return ended;
}

static int
blob_get_wait(pid_t pid, uint32_t seconds, const bool *cancelled)
{
	int status;

	if (!blob_get_ended(pid, seconds, cancelled)) {
		kill(pid, SIGTERM);
		if (!blob_get_ended(pid, END_SECONDS, NULL)) {
			kill(pid, SIGKILL);
		}
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return -1;
		}
	}
	return status;
}

/* The first line that it wrote to stderr, and no byte of it that a log would take for anything but text. */
static void
blob_get_words(int file, char reason[CSD_REASON_BYTES])
{
	ssize_t count = pread(file, reason, CSD_REASON_BYTES - 1, 0);
	char *end;

	reason[count > 0 ? count : 0] = '\0';
	end = strchr(reason, '\n');
	if (end != NULL) {
		*end = '\0';
	}
	for (char *c = reason; *c != '\0'; c++) {
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	}
}

static enum csd_blob_end
blob_get_run(struct csd_blob_maker *maker, const char *first, const struct get_files *files, const bool *cancelled,
	     char reason[CSD_REASON_BYTES])
{
	pid_t pid;
	int rc = blob_get_spawn(maker, first, files, &pid), status;

	if (rc != 0) {
		return blob_get_fail(reason, maker->options.compile, rc);
	}
	status = blob_get_wait(pid, maker->options.seconds, cancelled);
	blob_get_words(files->words, reason);
	if (blob_get_is_cancelled(cancelled)) {
		csd_refuse(reason, "nobody wants it any more");
		return CSD_BLOB_FAILED;
	}
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) <= CSD_BLOB_FAILED) {
		return (enum csd_blob_end)WEXITSTATUS(status);
	}
	csd_refuse(reason, "%s ended with wait status %#x", maker->options.compile, status);
	return CSD_BLOB_FAILED;
}

static void
blob_get_close(struct get_files *files)
{
	int *const all[] = {&files->in, &files->out, &files->words};

	for (size_t i = 0; i < 3; i++) {
		if (*all[i] >= 0) {
			close(*all[i]);
		}
	}
}

static int
blob_get_memory_file(const void *bytes, size_t length)
{
	int file = memfd_create("csd-compile", MFD_CLOEXEC);

	for (size_t written = 0; file >= 0 && written < length;) {
		ssize_t count = pwrite(file, (const uint8_t *)bytes + written, length - written, (off_t)written);

		if (count < 0 && errno != EINTR) {
			close(file);
			return -1;
		}
		written += count > 0 ? (size_t)count : 0;
	}
	return file;
}

static enum csd_blob_end
blob_get_open(struct get_files *files, const void *object, size_t length, char reason[CSD_REASON_BYTES])
{
	*files = (struct get_files) {blob_get_memory_file(object, length), blob_get_memory_file(NULL, 0),
				     blob_get_memory_file(NULL, 0)};
	if (files->in < 0 || files->out < 0 || files->words < 0) {
		enum csd_blob_end end = blob_get_fail(reason, "no memory for a compiler's files", errno);

		blob_get_close(files);
		return end;
	}
	return CSD_BLOB_READY;
}

/* Of what lies in a file: one that nobody can change. The file may be anybody's: its bytes are copied, then checked. */
static enum csd_blob_end
blob_get_blob(int file, struct csd_memory **blob, struct csd_blob_header *header, char reason[CSD_REASON_BYTES])
{
	struct stat status;
	void *bytes;
	int rc;

	if (fstat(file, &status) != 0 || status.st_size <= 0 || (uint64_t)status.st_size > MOST_BLOB) {
		csd_refuse(reason, "what the compiler wrote is no program: its size");
		return CSD_BLOB_FAILED;
	}
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (bytes == MAP_FAILED) {
		return blob_get_fail(reason, "a compiled program", errno);
	}
	rc = csd_memory_create_from("csd-blob", bytes, (size_t)status.st_size, blob);
	munmap(bytes, (size_t)status.st_size);
	if (rc != 0) {
		return blob_get_fail(reason, "a compiled program", -rc);
	}
	if (csd_blob_check((*blob)->base, (*blob)->length, header) != 0) {
		csd_memory_put(*blob);
		csd_refuse(reason, "what the compiler wrote is no program");
		return CSD_BLOB_FAILED;
	}
	return CSD_BLOB_READY;
}

/* Without a compiler, csd_compile prints the lines that it knows: the first and the last one of what it would print. */
static bool
blob_get_is_rest_of(const char *lines, const char *whole)
{
	size_t first = strcspn(lines, "\n") + 1, length = strlen(lines), last = length - first, all = strlen(whole);

	return length > first && all > length && memcmp(whole, lines, first) == 0 && whole[all - last - 1] == '\n' &&
	       memcmp(whole + all - last, lines + first, last) == 0;
}

static const char *
blob_get_last_line(const char *text)
{
	size_t at = strlen(text);

	while (at > 1 && text[at - 2] != '\n') {
		at--;
	}
	return at > 0 ? text + at - 1 : text;
}

/* Of two identities: the same csd_compile, with whatever compiler. */
static bool
blob_get_is_same_translator(const char *a, const char *b)
{
	size_t first = strcspn(a, "\n") + 1;
	const char *last = blob_get_last_line(a);

	return last > a && strncmp(a, b, first) == 0 && strcmp(last, blob_get_last_line(b)) == 0;
}

/* Its name for what it finds is that of the compiler that filled the folder. */
static enum csd_blob_end
blob_get_identity_of_blobs(struct csd_blob_maker *maker, char reason[CSD_REASON_BYTES])
{
	char kept[IDENTITY_BYTES] = "";
	int rc = csd_cache_kept_identity(&maker->cache, kept, sizeof(kept));

	if (rc != 0) {
		csd_refuse(reason, "%.150s/identity: %s", maker->options.blobs, strerror(-rc));
		return CSD_BLOB_FAILED;
	}
	if (!blob_get_is_same_translator(maker->identity, kept)) {
		csd_refuse(reason, "what is compiled in %.150s is another csd_compile's: install both anew", maker->options.blobs);
		return CSD_BLOB_FAILED;
	}
	memcpy(maker->identity, kept, sizeof(kept));
	return CSD_BLOB_READY;
}

/* What csd_compile says of itself. */
static enum csd_blob_end
blob_get_identity(struct csd_blob_maker *maker, char reason[CSD_REASON_BYTES])
{
	char kept[IDENTITY_BYTES] = "";
	struct get_files files;
	enum csd_blob_end end = blob_get_open(&files, NULL, 0, reason);
	ssize_t count;

	if (end != CSD_BLOB_READY) {
		return end;
	}
	end = blob_get_run(maker, "--identity", &files, NULL, reason);
	count = pread(files.out, maker->identity, sizeof(maker->identity) - 1, 0);
	blob_get_close(&files);
	if (end == CSD_BLOB_READY && count <= 0) {
		csd_refuse(reason, "%s does not say what it is", maker->options.compile);
		return CSD_BLOB_FAILED;
	}
	if (maker->options.blobs != NULL) {
		return blob_get_identity_of_blobs(maker, reason);
	}
	if (!maker->has_cache) {
		return end;
	}
	if (end == CSD_BLOB_READY) {
		csd_cache_keep_identity(&maker->cache, maker->identity);	/* else nothing is found without a compiler */
	} else if (csd_cache_kept_identity(&maker->cache, kept, sizeof(kept)) == 0 &&
		   blob_get_is_rest_of(maker->identity, kept)) {
		memcpy(maker->identity, kept, sizeof(kept));
		maker->lacks_compiler = true;
		end = CSD_BLOB_READY;
	}
	return end;
}

struct csd_blob_maker *
csd_blob_maker_create(const struct csd_blob_options *options, char reason[CSD_REASON_BYTES])
{
	struct csd_blob_maker *maker = calloc(1, sizeof(*maker));
	const char *folder = options->blobs != NULL ? options->blobs : options->cache;
	int rc = 0;

	if (maker == NULL) {
		blob_get_fail(reason, "compiler", ENOMEM);
		return NULL;
	}
	maker->options = *options;
	pthread_mutex_init(&maker->lock, NULL);
	if (folder != NULL) {
		rc = options->blobs != NULL ? csd_cache_open_read_only(&maker->cache, folder) :
		     csd_cache_open(&maker->cache, folder, options->cache_bytes);
		maker->has_cache = rc == 0;
	}
	if (rc == 0 && options->more_blobs != NULL) {
		folder = options->more_blobs;
		rc = csd_cache_open_read_only(&maker->more, folder);
		maker->has_more = rc == 0;
	}
	if (rc != 0) {
		blob_get_fail(reason, folder, -rc);
	}
	if (rc != 0 || blob_get_identity(maker, reason) != CSD_BLOB_READY) {
		csd_blob_maker_free(maker);
		return NULL;
	}
	return maker;
}

void
csd_blob_maker_free(struct csd_blob_maker *maker)
{
	if (maker->has_cache) {
		csd_cache_close(&maker->cache);
	}
	if (maker->has_more) {
		csd_cache_close(&maker->more);
	}
	pthread_mutex_destroy(&maker->lock);
	free(maker);
}

/* Why it is not there, as csd_cache_get() says; where that is no reason, the reason is there. */
static enum csd_blob_end
blob_get_cached(struct csd_blob_maker *maker, const char *name, struct csd_memory **blob,
		struct csd_blob_header *header, int *rc, char reason[CSD_REASON_BYTES])
{
	enum csd_blob_end end = CSD_BLOB_FAILED;
	int file;

	pthread_mutex_lock(&maker->lock);
	file = csd_cache_get(&maker->cache, name);
	if (file == -ENOENT && maker->has_more) {
		file = csd_cache_get(&maker->more, name);
	}
	pthread_mutex_unlock(&maker->lock);
	*rc = file < 0 ? file : 0;
	if (file >= 0) {
		end = blob_get_blob(file, blob, header, reason);
		close(file);
	}
	return end;
}

/* Nothing is compiled here. */
static enum csd_blob_end
blob_get_without(const char *name, int rc, char reason[CSD_REASON_BYTES])
{
	if (rc == -ENOENT) {
		csd_refuse(reason, "this node has no compiler, and its builder has not compiled this program: load one of those that it has, "
			   "declare it in csd_target_programs, or give the node a compiler (csd_target_compiler: true)");
		return CSD_BLOB_REFUSED;
	}
	if (rc == -EINVAL) {
		csd_refuse(reason, "the compiled program %s is not as the builder made it: install it anew", name);
	} else if (rc != 0) {
		csd_refuse(reason, "the compiled program %s: %s", name, strerror(-rc));
	}
	return CSD_BLOB_FAILED;
}

enum csd_blob_end
csd_blob_get(struct csd_blob_maker *maker, const void *object, size_t length, const bool *cancelled,
	     struct csd_memory **blob, struct csd_blob_header *header, char reason[CSD_REASON_BYTES])
{
	char name[CSD_CACHE_NAME];
	struct get_files files;
	enum csd_blob_end end;

	if (maker->has_cache) {
		int rc = csd_cache_name(name, maker->identity, object, length);

		if (rc != 0) {
			return blob_get_fail(reason, "SHA-256", -rc);
		}
		end = blob_get_cached(maker, name, blob, header, &rc, reason);
		if (end == CSD_BLOB_READY) {
			return end;
		}
		if (maker->options.blobs != NULL) {
			return blob_get_without(name, rc, reason);
		}
	}
	end = blob_get_open(&files, object, length, reason);
	if (end != CSD_BLOB_READY) {
		return end;
	}
	end = blob_get_run(maker, NULL, &files, cancelled, reason);
	if (end == CSD_BLOB_READY) {
		end = blob_get_blob(files.out, blob, header, reason);
	}
	/* A cache that cannot be written costs time, not the program. */
	if (end == CSD_BLOB_READY && maker->has_cache && !maker->lacks_compiler) {
		pthread_mutex_lock(&maker->lock);
		csd_cache_put(&maker->cache, name, files.out);
		pthread_mutex_unlock(&maker->lock);
	}
	blob_get_close(&files);
	return end;
}
