/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
 *
 * For LD_PRELOAD: a kernel whose AIO does what a test needs. The folder AIO_WATCH has the files
 *   full   while it exists, no context is made and no request is taken
 *   slow   while it exists, requests for files with "aio1" in their name wait, and a context takes WATCH_ROOM of them
 *   seen   what was asked, a letter each: (r)efused, (f)lush by AIO, (s) for fsync(), which waits
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCH_ROOM 8
#define WATCH_HELD 64

static int (*watch_submit)(io_context_t, long, struct iocb **);
static pthread_mutex_t watch_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
	io_context_t context;
	struct iocb *request;
} watch_held[WATCH_HELD];
static int watch_count;

static const char *watch_path(const char *name)
{
	static __thread char path[4096];

	snprintf(path, sizeof(path), "%s/%s", getenv("AIO_WATCH"), name);
	return path;
}

static void watch_note(char letter)
{
	int fd = open(watch_path("seen"), O_WRONLY | O_APPEND | O_CREAT, 0600);

	if (fd < 0 || write(fd, &letter, 1) != 1)
		abort();
	close(fd);
}

static void *watch_release(void *unused)
{
	(void)unused;
	while (access(watch_path("slow"), F_OK) == 0)
		usleep(1000);
	pthread_mutex_lock(&watch_mutex);
	while (watch_count > 0) {
		watch_count--;
		if (watch_submit(watch_held[watch_count].context, 1, &watch_held[watch_count].request) != 1)
			abort();
	}
	pthread_mutex_unlock(&watch_mutex);
	return NULL;
}

/* 1: the request waits; 0: it may go on; -EAGAIN: no room in its context. */
static int watch_hold(io_context_t context, struct iocb *request)
{
	char link[64], target[4096];
	pthread_t thread;
	ssize_t length;
	int at, used = 0, answer = 1;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", request->aio_fildes);
	length = readlink(link, target, sizeof(target) - 1);
	if (length < 0)
		abort();
	target[length] = '\0';
	pthread_mutex_lock(&watch_mutex);
	for (at = 0; at < watch_count; at++)
		used += watch_held[at].context == context;
	if (used >= WATCH_ROOM || watch_count == WATCH_HELD) {
		answer = -EAGAIN;
	} else if (strstr(target, "aio1") == NULL) {
		answer = 0;
	} else {
		if (watch_count == 0 && (pthread_create(&thread, NULL, watch_release, NULL) != 0 ||
					 pthread_detach(thread) != 0))
			abort();
		watch_held[watch_count].context = context;
		watch_held[watch_count].request = request;
		watch_count++;
	}
	pthread_mutex_unlock(&watch_mutex);
	return answer;
}

int io_submit(io_context_t context, long count, struct iocb *requests[])
{
	int answer = 0;

	watch_submit = dlsym(RTLD_NEXT, "io_submit");
	if (access(watch_path("full"), F_OK) == 0)
		answer = -EAGAIN;
	else if (access(watch_path("slow"), F_OK) == 0 && count == 1)
		answer = watch_hold(context, requests[0]);
	if (answer == -EAGAIN)
		watch_note('r');
	else if (count > 0 && requests[0]->aio_lio_opcode == IO_CMD_FSYNC)
		watch_note('f');
	return answer != 0 ? answer : watch_submit(context, count, requests);
}

int io_setup(int count, io_context_t *context)
{
	int (*next)(int, io_context_t *) = dlsym(RTLD_NEXT, "io_setup");

	return access(watch_path("full"), F_OK) == 0 ? -EAGAIN : next(count, context);
}

int fsync(int fd)
{
	int (*next)(int) = dlsym(RTLD_NEXT, "fsync");

	watch_note('s');
	return next(fd);
}
