/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* SHA-256 is libcrypto's: csd_tgt is linked with it already. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "csd_blob.h"
#include "csd_cache.h"

#define DIGEST_BYTES	32
#define UNFINISHED	"unfinished"	/* the one that is being written */
#define IDENTITY	"identity"
#define MOST_BLOB	(CSD_BLOB_MAX_CODE + CSD_BLOB_MAX_DATA + CSD_BLOB_MAX_LINES * sizeof(struct csd_blob_line) + CSD_BLOB_PAGE)

/* --- names --- */

static bool
cache_is_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == CSD_CACHE_NAME - 1 && name[CSD_CACHE_NAME - 1] == '\0';
}

int
csd_cache_name(char name[CSD_CACHE_NAME], const char *identity, const void *object, size_t length)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char digest[DIGEST_BYTES];
	/* The zero that ends the identity keeps it apart from the object. */
	bool done = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(context, identity, strlen(identity) + 1) == 1 &&
		    EVP_DigestUpdate(context, object, length) == 1 && EVP_DigestFinal_ex(context, digest, NULL) == 1;

	EVP_MD_CTX_free(context);
	if (!done) {
		return -ENOTSUP;
	}
	for (int i = 0; i < DIGEST_BYTES; i++) {
		snprintf(name + i * 2, 3, "%02x", digest[i]);
	}
	return 0;
}

/* --- bytes --- */

struct bytes {
	void *at;
	size_t length;
};

/* A whole file, to be read. 0 or -errno; -EINVAL: shorter or longer than what is looked for here. */
static int
cache_map(int file, size_t least, size_t most, struct bytes *bytes)
{
	struct stat status;

	if (fstat(file, &status) != 0) {
		return -errno;
	}
	if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size < least || (uint64_t)status.st_size > most) {
		return -EINVAL;
	}
	bytes->length = status.st_size;
	bytes->at = mmap(NULL, bytes->length, PROT_READ, MAP_PRIVATE, file, 0);
	return bytes->at == MAP_FAILED ? -errno : 0;
}

static int
cache_write(int file, const void *bytes, size_t length)
{
	for (size_t written = 0; written < length;) {
		ssize_t done = write(file, (const char *)bytes + written, length - written);

		if (done < 0 && errno != EINTR) {
			return -errno;
		}
		written += done > 0 ? done : 0;
	}
	return 0;
}

static int
cache_digest(const void *bytes, size_t length, unsigned char digest[DIGEST_BYTES])
{
	return EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOTSUP;
}

/* --- the folder --- */

/* 0, whether it was there or not; or -errno. */
static int
cache_make(const char *path)
{
	if (mkdir(path, 0700) == 0) {
		return chmod(path, 0700) == 0 ? 0 : -errno;	/* whatever the umask is: a service's may take x */
	}
	return errno == EEXIST ? 0 : -errno;
}

int
csd_cache_check(const char *path, char reason[CSD_REASON_BYTES])
{
	struct stat status;
	int rc = cache_make(path);

	if (rc != 0) {
		int error = -rc;

		csd_refuse(reason, "it cannot be made: %s", strerror(error));
		return -error;
	}
	if (lstat(path, &status) != 0) {
		int error = errno;

		csd_refuse(reason, "%s", strerror(error));
		return -error;
	}
	if (!S_ISDIR(status.st_mode)) {
		csd_refuse(reason, "it is no folder");
		return -ENOTDIR;
	}
	if (status.st_uid != geteuid()) {
		csd_refuse(reason, "it belongs to user %u, and this is user %u: give a folder that nobody else has", status.st_uid,
			   geteuid());
		return -EPERM;
	}
	if ((status.st_mode & 0777) != 0700) {
		csd_refuse(reason, "its mode is %04o: make it 0700", status.st_mode & 07777);
		return -EPERM;
	}
	return 0;
}

int
csd_cache_open(struct csd_cache *cache, const char *path, uint64_t most_bytes)
{
	struct stat status;
	int rc = cache_make(path);

	if (rc != 0) {
		return rc;
	}
	*cache = (struct csd_cache) {.folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .most_bytes = most_bytes};
	if (cache->folder < 0) {
		return -errno;
	}
	/* Where somebody else writes, a digest beside a blob says nothing. */
	if (fstat(cache->folder, &status) != 0 || status.st_uid != geteuid() || (status.st_mode & 0022) != 0) {
		csd_cache_close(cache);
		return -EPERM;
	}
	if (unlinkat(cache->folder, UNFINISHED, 0) != 0 && errno != ENOENT) {
		int error = errno;

		csd_cache_close(cache);
		return -error;
	}
	return 0;
}

int
csd_cache_open_read_only(struct csd_cache *cache, const char *path)
{
	struct stat status;

	*cache = (struct csd_cache) {.folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .read_only = true};
	if (cache->folder < 0) {
		return -errno;
	}
	if (fstat(cache->folder, &status) != 0 || (status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & 0022) != 0) {
		csd_cache_close(cache);
		return -EPERM;
	}
	return 0;
}

void
csd_cache_close(struct csd_cache *cache)
{
	close(cache->folder);
	cache->folder = -1;
}

/* Replaces a file by these bytes: it appears when it is whole. */
static int
cache_replace(const struct csd_cache *cache, const char *name, const struct bytes *parts, size_t count)
{
	int file = openat(cache->folder, UNFINISHED, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), rc = 0;

	if (file < 0) {
		return -errno;
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = cache_write(file, parts[i].at, parts[i].length);
	}
	/* Not synchronised: what a power cut leaves is found out. */
	if (close(file) != 0 && rc == 0) {
		rc = -errno;
	}
	if (rc == 0 && renameat(cache->folder, UNFINISHED, cache->folder, name) != 0) {
		rc = -errno;
	}
	if (rc != 0) {
		unlinkat(cache->folder, UNFINISHED, 0);
	}
	return rc;
}

int
csd_cache_keep_identity(const struct csd_cache *cache, const char *identity)
{
	const struct bytes bytes = {(void *)identity, strlen(identity)};

	return cache_replace(cache, IDENTITY, &bytes, 1);
}

int
csd_cache_kept_identity(const struct csd_cache *cache, char *identity, size_t size)
{
	int file = openat(cache->folder, IDENTITY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t count;

	if (file < 0) {
		return -errno;
	}
	count = pread(file, identity, size, 0);
	close(file);
	if (count < 0 || (size_t)count == size) {
		return count < 0 ? -EIO : -EFBIG;
	}
	identity[count] = '\0';
	return 0;
}

/* --- one entry --- */

static bool
cache_is_good(const struct bytes *entry)
{
	size_t length = entry->length - DIGEST_BYTES;
	unsigned char digest[DIGEST_BYTES];
	struct csd_blob_header header;

	return cache_digest(entry->at, length, digest) == 0 &&
	       memcmp(digest, (const char *)entry->at + length, DIGEST_BYTES) == 0 &&
	       csd_blob_check(entry->at, length, &header) == 0;
}

/* A copy that stays as it is, whatever becomes of the folder. */
static int
cache_seal(const void *bytes, size_t length)
{
	int copy = memfd_create("csd_blob", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

	if (copy < 0) {
		return -errno;
	}
	rc = cache_write(copy, bytes, length);
	if (rc == 0 && fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
		rc = -errno;
	}
	if (rc != 0) {
		close(copy);
	}
	return rc != 0 ? rc : copy;
}

int
csd_cache_get(const struct csd_cache *cache, const char *name)
{
	struct bytes entry;
	int file, rc;

	if (!cache_is_name(name)) {
		return -EINVAL;
	}
	file = openat(cache->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0) {
		return -errno;
	}
	rc = cache_map(file, DIGEST_BYTES, MOST_BLOB + DIGEST_BYTES, &entry);
	if (rc == 0) {
		rc = cache_is_good(&entry) ? cache_seal(entry.at, entry.length - DIGEST_BYTES) : -EINVAL;
		munmap(entry.at, entry.length);
	}
	if (rc >= 0 && !cache->read_only) {
		futimens(file, NULL);	/* used now: not the next to go */
	} else if (rc == -EINVAL && !cache->read_only) {
		rc = unlinkat(cache->folder, name, 0) == 0 ? -ENOENT : -errno;
	}
	close(file);
	return rc;
}

/* --- room --- */

struct entry {
	char name[CSD_CACHE_NAME];
	uint64_t bytes;
	struct timespec used;
};

static bool
cache_is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* How much all entries have, and which of them was longest not used. */
static int
cache_look(const struct csd_cache *cache, uint64_t *bytes, struct entry *oldest)
{
	int copy = openat(cache->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *found;
	struct stat status;

	*bytes = 0;
	*oldest = (struct entry) {.name = ""};
	if (listing == NULL) {
		int error = errno;

		if (copy >= 0) {
			close(copy);
		}
		return -error;
	}
	while ((found = readdir(listing)) != NULL) {
		if (!cache_is_name(found->d_name) || fstatat(cache->folder, found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
			continue;
		}
		*bytes += status.st_size;
		if (oldest->name[0] == '\0' || cache_is_older(&status.st_mtim, &oldest->used)) {
			memcpy(oldest->name, found->d_name, sizeof(oldest->name));
			oldest->bytes = status.st_size;
			oldest->used = status.st_mtim;
		}
	}
	closedir(listing);
	return 0;
}

/* Removes the oldest until `more` bytes have room. */
static int
cache_make_room(const struct csd_cache *cache, uint64_t more)
{
	struct entry oldest;
	uint64_t bytes;
	int rc;

	for (;;) {
		rc = cache_look(cache, &bytes, &oldest);
		if (rc != 0 || oldest.name[0] == '\0' || bytes <= cache->most_bytes - more) {
			return rc;
		}
		if (unlinkat(cache->folder, oldest.name, 0) != 0) {
			return -errno;
		}
	}
}

static int
cache_write_entry(const struct csd_cache *cache, const char *name, const struct bytes *blob)
{
	unsigned char digest[DIGEST_BYTES];
	const struct bytes parts[] = {*blob, {digest, sizeof(digest)}};
	int rc = cache_digest(blob->at, blob->length, digest);

	return rc != 0 ? rc : cache_replace(cache, name, parts, 2);
}

int
csd_cache_put(const struct csd_cache *cache, const char *name, int blob)
{
	struct csd_blob_header header;
	struct bytes bytes = {NULL, 0};
	int rc;

	if (!cache_is_name(name)) {
		return -EINVAL;
	}
	rc = cache_map(blob, sizeof(header), MOST_BLOB, &bytes);
	if (rc != 0) {
		return rc;
	}
	rc = csd_blob_check(bytes.at, bytes.length, &header);
	if (rc == 0 && bytes.length + DIGEST_BYTES > cache->most_bytes) {
		rc = -EFBIG;
	}
	/* One that is there already is replaced, and would be counted twice. */
	if (rc == 0 && unlinkat(cache->folder, name, 0) != 0 && errno != ENOENT) {
		rc = -errno;
	}
	if (rc == 0) {
		rc = cache_make_room(cache, bytes.length + DIGEST_BYTES);
	}
	if (rc == 0) {
		rc = cache_write_entry(cache, name, &bytes);
	}
	munmap(bytes.at, bytes.length);
	return rc;
}
