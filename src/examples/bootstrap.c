/*   SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
 */

/* Shows every exec and exit of the machine, with how long the process ran and how it ended. */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <bpf/libbpf.h>

#include "bootstrap.h"
#include "bootstrap.skel.h"

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL
#define POLL_MS 100

struct options {
	bool json;
	unsigned long min_duration_ms;
	unsigned long seconds;
	unsigned long count;
};

struct output {
	bool json;
	unsigned long count;
	unsigned long shown;
	/* What turns the events' CLOCK_BOOTTIME into the time of day. */
	unsigned long long boot_to_wall_ns;
};

static volatile sig_atomic_t g_stop;

static void
bootstrap_stop(int signal)
{
	(void)signal;
	g_stop = 1;
}

static void
bootstrap_usage(FILE *to)
{
	fprintf(to, "Usage: bootstrap [-j] [-d MS] [-t SECONDS] [-n COUNT]\n"
		"Shows every exec and exit on this machine, with duration and exit code.\n"
		"  -j, --json               one JSON object a line\n"
		"  -d, --min-duration MS    only exits of what ran at least that long after its exec\n"
		"  -t, --seconds SECONDS    end after that time\n"
		"  -n, --count COUNT        end after that many events\n"
		"Numbers of processes are those of the initial pid namespace.\n");
}

static int
bootstrap_parse_number(const char *name, const char *text, unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || !*value) {
		fprintf(stderr, "bootstrap: --%s needs a number above 0, not '%s'\n", name, text);
		return -EINVAL;
	}
	return 0;
}

static int
bootstrap_parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"json", no_argument, NULL, 'j'},
		{"min-duration", required_argument, NULL, 'd'},
		{"seconds", required_argument, NULL, 't'},
		{"count", required_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},
		{}
	};
	int option, rc = 0;

	while (!rc && (option = getopt_long(argc, argv, "jd:t:n:h", names, NULL)) != -1) {
		switch (option) {
		case 'j':
			options->json = true;
			break;
		case 'd':
			rc = bootstrap_parse_number("min-duration", optarg, &options->min_duration_ms);
			break;
		case 't':
			rc = bootstrap_parse_number("seconds", optarg, &options->seconds);
			break;
		case 'n':
			rc = bootstrap_parse_number("count", optarg, &options->count);
			break;
		case 'h':
			bootstrap_usage(stdout);
			exit(0);
		default:
			bootstrap_usage(stderr);
			return -EINVAL;
		}
	}
	if (!rc && optind < argc) {
		fprintf(stderr, "bootstrap: unexpected argument '%s'\n", argv[optind]);
		return -EINVAL;
	}
	return rc;
}

static unsigned long long
bootstrap_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void
bootstrap_print_json_string(const char *text)
{
	putchar('"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		/* A file's name is bytes; what is not ASCII is shown byte by byte. */
		if (*c == '"' || *c == '\\') {
			printf("\\%c", *c);
		} else if (*c < 0x20 || *c > 0x7e) {
			printf("\\u%04x", *c);
		} else {
			putchar(*c);
		}
	}
	putchar('"');
}

static void
bootstrap_print_json(const struct event *event, unsigned long long wall_ns)
{
	printf("{\"time\": %llu.%09llu, \"event\": \"%s\", \"comm\": ", wall_ns / NS_PER_S,
	       wall_ns % NS_PER_S, event->kind == EVENT_EXEC ? "exec" : "exit");
	bootstrap_print_json_string(event->comm);
	printf(", \"pid\": %d, \"ppid\": %d", event->pid, event->parent_pid);
	if (event->kind == EVENT_EXEC) {
		printf(", \"filename\": ");
		bootstrap_print_json_string(event->filename);
	} else {
		printf(", \"exit_code\": %d, \"signal\": %d, \"duration_ms\": ",
		       WEXITSTATUS(event->exit_status), WTERMSIG(event->exit_status));
		if (event->duration_ns) {
			printf("%.3f", (double)event->duration_ns / NS_PER_MS);
		} else {
			printf("null");
		}
	}
	printf("}\n");
}

static void
bootstrap_print_text(const struct event *event, unsigned long long wall_ns)
{
	time_t seconds = wall_ns / NS_PER_S;
	struct tm local;
	char when[16];

	localtime_r(&seconds, &local);
	strftime(when, sizeof(when), "%H:%M:%S", &local);
	printf("%s.%03llu %-5s %-16s %7d %7d ", when, wall_ns % NS_PER_S / NS_PER_MS,
	       event->kind == EVENT_EXEC ? "EXEC" : "EXIT", event->comm, event->pid, event->parent_pid);
	if (event->kind == EVENT_EXEC) {
		printf("%s\n", event->filename);
		return;
	}
	if (WTERMSIG(event->exit_status)) {
		printf("signal %d", WTERMSIG(event->exit_status));
	} else {
		printf("code %d", WEXITSTATUS(event->exit_status));
	}
	if (event->duration_ns) {
		printf(" after %.3f ms", (double)event->duration_ns / NS_PER_MS);
	}
	printf("\n");
}

static int
bootstrap_on_event(void *context, void *data, size_t size)
{
	struct output *output = context;
	const struct event *event = data;
	unsigned long long wall_ns;

	(void)size;
	/* One poll can bring more events than were asked for. */
	if (output->count && output->shown == output->count) {
		return 0;
	}
	wall_ns = event->when_ns + output->boot_to_wall_ns;
	if (output->json) {
		bootstrap_print_json(event, wall_ns);
	} else {
		bootstrap_print_text(event, wall_ns);
	}
	output->shown++;
	return 0;
}

static int
bootstrap_show_events(struct bootstrap *skeleton, const struct options *options)
{
	struct output output = {
		.json = options->json,
		.count = options->count,
		.boot_to_wall_ns = bootstrap_clock_ns(CLOCK_REALTIME) - bootstrap_clock_ns(CLOCK_BOOTTIME),
	};
	unsigned long long end_ns = bootstrap_clock_ns(CLOCK_BOOTTIME) + options->seconds * NS_PER_S;
	struct ring_buffer *ring;
	int rc = 0;

	ring = ring_buffer__new(bpf_map__fd(skeleton->maps.events), bootstrap_on_event, &output, NULL);
	if (!ring) {
		fprintf(stderr, "bootstrap: cannot read the ring buffer: %s\n", strerror(errno));
		return -errno;
	}
	fprintf(stderr, "bootstrap: tracing every exec and exit; Ctrl-C ends it\n");
	if (!options->json) {
		printf("%-12s %-5s %-16s %7s %7s %s\n", "TIME", "EVENT", "COMM", "PID", "PPID",
		       "FILENAME OR END");
	}
	while (!g_stop && (!options->count || output.shown < options->count) &&
	       (!options->seconds || bootstrap_clock_ns(CLOCK_BOOTTIME) < end_ns)) {
		rc = ring_buffer__poll(ring, POLL_MS);
		if (rc < 0 && rc != -EINTR) {
			fprintf(stderr, "bootstrap: reading the ring buffer: %s\n", strerror(-rc));
			break;
		}
		rc = 0;
		fflush(stdout);
	}
	if (skeleton->bss->lost) {
		fprintf(stderr, "bootstrap: %llu events found the ring buffer full and are lost\n",
			skeleton->bss->lost);
	}
	ring_buffer__free(ring);
	return rc;
}

static int
bootstrap_trace(const struct options *options)
{
	struct bootstrap *skeleton;
	int rc;

	skeleton = bootstrap__open();
	if (!skeleton) {
		fprintf(stderr, "bootstrap: cannot open the eBPF programs: %s\n", strerror(errno));
		return -errno;
	}
	skeleton->rodata->min_duration_ns = options->min_duration_ms * NS_PER_MS;
	rc = bootstrap__load(skeleton);
	if (rc) {
		fprintf(stderr, "bootstrap: the kernel does not load the eBPF programs: %s\n", strerror(-rc));
		goto out;
	}
	rc = bootstrap__attach(skeleton);
	if (rc) {
		fprintf(stderr, "bootstrap: cannot attach to the sched tracepoints (is tracefs mounted on "
			"/sys/kernel/tracing?): %s\n", strerror(-rc));
		goto out;
	}
	rc = bootstrap_show_events(skeleton, options);
out:
	bootstrap__destroy(skeleton);
	return rc;
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = bootstrap_stop };
	struct options options = {};

	if (bootstrap_parse_options(argc, argv, &options)) {
		return 2;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return bootstrap_trace(&options) ? 1 : 0;
}
