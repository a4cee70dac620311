/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */

/* Shows what NVMe/TCP carries through an interface: commands, bytes, latencies. */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "nvme_tcp_hook.h"
#include "nvme_tcp_show.h"
#include "nvme_tcp_trace.skel.h"

#define CONNECTIONS 4096
/* What the kernel sets aside for each CPU in a table that makes room by itself. */
#define CONNECTIONS_PER_CPU 128
#define PRIORITY_MAX 65535
#define CLEAR_SCREEN "\033[H\033[2J"

struct options {
	const char *interface;
	__u16 ports[MAX_PORTS];
	const char *address;
	struct namespaces namespaces;
	unsigned int priority;
	double duration_s;
	bool json;
	bool snapshots;
	bool verbose;
};

struct trace {
	const struct options *options;
	struct nvme_tcp_trace *skeleton;
	struct hook hook;
	double began;
	int signals;
};

static bool g_verbose;

static void
trace_usage(FILE *to)
{
	fprintf(to, "Usage: nvme_tcp_trace --interface IF [--port N[,N...]] [--json [--snapshots]] [--duration SECONDS]\n"
		"Counts NVMe/TCP on a network interface: commands, bytes by PDU type, latencies; and what it could not follow.\n"
		"  -i, --interface IF     lo, eth0, ...; of lo only what goes out, which comes in again\n"
		"  -p, --port N[,N...]    the controller's ports, at most 8 (4420)\n"
		"  -a, --address IP       only connections of this controller\n"
		"  -j, --json             nothing until the end, then one JSON document\n"
		"  -s, --snapshots        with --json: a line when counting has begun, and a line for each line on the standard\n"
		"                         input; ends with it\n"
		"  -d, --duration SECONDS end after that time; else Ctrl-C does\n"
		"      --slm NSID[,...]   namespaces of the SLM command set, whose opcodes have other names\n"
		"      --compute NSID[,...]  the same for the compute command set\n"
		"      --priority N       of the tc filters (1): 1 sees packets before any other filter\n"
		"      --verbose          what the kernel says while it loads the program\n");
}

static int __attribute__((format(printf, 3, 4)))
trace_complain(const char *found, const char *fix, const char *asked, ...)
{
	va_list arguments;

	fprintf(stderr, "asked: ");
	va_start(arguments, asked);
	vfprintf(stderr, asked, arguments);
	va_end(arguments);
	fprintf(stderr, "\nfound: %s\ndo: %s\n", found, fix);
	return -EINVAL;
}

/* --- Options --- */

static int
trace_parse_list(const char *name, char *text, unsigned long limit, unsigned int most, unsigned long *numbers)
{
	unsigned int count = 0;
	char *rest = text, *item, found[96];

	while ((item = strsep(&rest, ",")) != NULL) {
		char *end;

		errno = 0;
		if (count == most) {
			snprintf(found, sizeof(found), "more than %u numbers", most);
			return trace_complain(found, "give fewer", "--%s", name);
		}
		numbers[count] = strtoul(item, &end, 10);
		if (errno != 0 || *end != '\0' || *item < '0' || *item > '9' || numbers[count] == 0 ||
		    numbers[count] > limit) {
			snprintf(found, sizeof(found), "possible is a number from 1 to %lu", limit);
			return trace_complain(found, "correct the value", "--%s %s", name, item);
		}
		count++;
	}
	return 0;
}

static int
trace_parse_ports(char *text, struct options *options)
{
	unsigned long numbers[MAX_PORTS] = { 0 };
	int rc = trace_parse_list("port", text, 65535, MAX_PORTS, numbers);
	unsigned int i;

	for (i = 0; i < MAX_PORTS; i++) {
		options->ports[i] = numbers[i];
	}
	return rc;
}

static int
trace_parse_namespaces(const char *name, char *text, __u32 *list)
{
	unsigned long numbers[16] = { 0 };
	int rc = trace_parse_list(name, text, UINT32_MAX, 16, numbers);
	unsigned int i;

	for (i = 0; i < 16; i++) {
		list[i] = numbers[i];
	}
	return rc;
}

static int
trace_parse_option(int option, char *text, struct options *options)
{
	unsigned long number = 0;
	char *end;
	int rc;

	switch (option) {
	case 'i':
		options->interface = text;
		return 0;
	case 'p':
		return trace_parse_ports(text, options);
	case 'a':
		options->address = text;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 's':
		options->snapshots = true;
		return 0;
	case 'd':
		options->duration_s = strtod(text, &end);
		if (*text < '0' || *text > '9' || *end != '\0' || !(options->duration_s > 0 && options->duration_s < 1e8)) {
			return trace_complain("possible is a number of seconds above 0", "correct the value",
					      "--duration %s", text);
		}
		return 0;
	case 'S':
		return trace_parse_namespaces("slm", text, options->namespaces.slm);
	case 'C':
		return trace_parse_namespaces("compute", text, options->namespaces.compute);
	case 'P':
		rc = trace_parse_list("priority", text, PRIORITY_MAX, 1, &number);
		options->priority = number;
		return rc;
	case 'v':
		options->verbose = true;
		return 0;
	case 'h':
		trace_usage(stdout);
		exit(0);
	default:
		trace_usage(stderr);
		return -EINVAL;
	}
}

static int
trace_check_options(int argc, char **argv, const struct options *options)
{
	if (optind < argc) {
		return trace_complain("an argument that belongs to no option", "see nvme_tcp_trace --help",
				      "nvme_tcp_trace %s", argv[optind]);
	}
	if (options->interface == NULL) {
		return trace_complain("it is not said where", "give --interface, such as lo or eth0", "nvme_tcp_trace");
	}
	if (options->snapshots && !options->json) {
		return trace_complain("snapshots are JSON", "give --json too", "nvme_tcp_trace --snapshots");
	}
	return 0;
}

static int
trace_parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"interface", required_argument, NULL, 'i'},
		{"port", required_argument, NULL, 'p'},
		{"address", required_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'},
		{"snapshots", no_argument, NULL, 's'},
		{"duration", required_argument, NULL, 'd'},
		{"slm", required_argument, NULL, 'S'},
		{"compute", required_argument, NULL, 'C'},
		{"priority", required_argument, NULL, 'P'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{}
	};
	int option, rc = 0;

	while (rc == 0 && (option = getopt_long(argc, argv, "i:p:a:jsd:h", names, NULL)) != -1) {
		rc = trace_parse_option(option, optarg, options);
	}
	return rc != 0 ? rc : trace_check_options(argc, argv, options);
}

/* --- Into the kernel --- */

static int
trace_print_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return g_verbose && level != LIBBPF_DEBUG ? vfprintf(stderr, format, arguments) : 0;
}

/* An IPv4 address as IPv6-mapped. */
static bool
trace_parse_address(const char *text, __u8 *address)
{
	memset(address, 0, 10);
	address[10] = address[11] = 0xff;
	return inet_pton(AF_INET, text, address + 12) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static int
trace_set_constants(struct trace *trace)
{
	const struct options *options = trace->options;
	struct nvme_tcp_trace *skeleton = trace->skeleton;

	memcpy((void *)skeleton->rodata->ports, options->ports, sizeof(options->ports));
	skeleton->rodata->link_bytes = trace->hook.link_bytes;
	skeleton->rodata->any_address = options->address == NULL;
	if (options->address != NULL && !trace_parse_address(options->address, (__u8 *)skeleton->rodata->address)) {
		return trace_complain("it is neither an IPv4 nor an IPv6 address", "give one in numbers",
				      "--address %s", options->address);
	}
	return bpf_map__set_max_entries(skeleton->maps.connections,
					CONNECTIONS + CONNECTIONS_PER_CPU * libbpf_num_possible_cpus());
}

static int
trace_load(struct trace *trace)
{
	struct utsname kernel;
	char found[256];
	int rc;

	trace->skeleton = nvme_tcp_trace__open();
	if (trace->skeleton == NULL) {
		return trace_complain(strerror(errno), "look at it with --verbose",
				      "the eBPF program of nvme_tcp_trace");
	}
	rc = trace_set_constants(trace);
	if (rc != 0) {
		return rc;
	}
	rc = nvme_tcp_trace__load(trace->skeleton);
	if (rc == 0) {
		return 0;
	}
	uname(&kernel);
	snprintf(found, sizeof(found), "Linux %s does not load it: %s", kernel.release, strerror(-rc));
	trace_complain(found, rc == -EPERM ? "run it as root (CAP_BPF and CAP_NET_ADMIN)" :
		       "run Linux 5.17 or later, with BTF; --verbose shows what the kernel says",
		       "the eBPF program of nvme_tcp_trace");
	return rc;
}

static double
trace_clock_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int
trace_attach(struct trace *trace)
{
	struct hook_error error;
	int rc = hook_attach(&trace->hook, trace->options->priority,
			     bpf_program__fd(trace->skeleton->progs.nvme_tcp_out),
			     bpf_program__fd(trace->skeleton->progs.nvme_tcp_in), &error);

	if (rc != 0) {
		trace_complain(error.found, error.fix, "counting on interface %s", trace->options->interface);
	}
	trace->began = trace_clock_s();
	return rc;
}

/* --- What it has counted --- */

static void
trace_read_ports(const struct trace *trace, struct counted *counted)
{
	static struct port_count *each;
	unsigned int cpus = libbpf_num_possible_cpus(), i, cpu, field;
	int map = bpf_map__fd(trace->skeleton->maps.port_counts);

	if (each == NULL) {
		each = calloc(cpus, sizeof(*each));
	}
	for (i = 0; each != NULL && i < MAX_PORTS && counted->ports[i] != 0; i++) {
		if (bpf_map_lookup_elem(map, &i, each) != 0) {
			continue;
		}
		for (cpu = 0; cpu < cpus; cpu++) {
			/* Nothing but counters is in there. */
			for (field = 0; field < sizeof(*each) / sizeof(__u64); field++) {
				((__u64 *)&counted->port[i])[field] += ((__u64 *)&each[cpu])[field];
			}
		}
	}
}

static void
trace_read_operations(const struct trace *trace, struct counted *counted)
{
	int places = bpf_map__fd(trace->skeleton->maps.operation_places);
	int operations = bpf_map__fd(trace->skeleton->maps.operations);
	struct operation_key key, *previous = NULL;

	while (counted->operation_rows < MAX_OPERATIONS && bpf_map_get_next_key(places, previous, &key) == 0) {
		struct operation_row *row = &counted->operations[counted->operation_rows];

		row->key = key;
		previous = &row->key;
		if (bpf_map_lookup_elem(places, &key, &row->place) == 0 &&
		    bpf_map_lookup_elem(operations, &row->place, &row->counted) == 0) {
			counted->operation_rows++;
		}
	}
}

static void
trace_read_statuses(const struct trace *trace, struct counted *counted)
{
	int map = bpf_map__fd(trace->skeleton->maps.statuses);
	struct status_key key, *previous = NULL;

	while (counted->status_rows < MAX_STATUSES && bpf_map_get_next_key(map, previous, &key) == 0) {
		struct status_row *row = &counted->statuses[counted->status_rows];

		row->key = key;
		previous = &row->key;
		if (bpf_map_lookup_elem(map, &key, &row->count) == 0) {
			counted->status_rows++;
		}
	}
}

static void
trace_read_counted(const struct trace *trace, struct counted *counted)
{
	memset(counted, 0, sizeof(*counted));
	counted->interface = trace->options->interface;
	counted->loopback = trace->hook.loopback;
	counted->seconds = trace_clock_s() - trace->began;
	memcpy(counted->ports, trace->options->ports, sizeof(counted->ports));
	trace_read_ports(trace, counted);
	trace_read_operations(trace, counted);
	trace_read_statuses(trace, counted);
	counted_sort(counted);
}

/* --- Showing it --- */

/* Too large for the stack. */
static struct counted g_now, g_before;

/* Answers each line of the standard input. False: it has ended. */
static bool
trace_answer(const struct trace *trace)
{
	char text[256];
	ssize_t got = read(STDIN_FILENO, text, sizeof(text)), i;

	for (i = 0; i < got; i++) {
		if (text[i] == '\n') {
			trace_read_counted(trace, &g_now);
			show_json(stdout, "snapshot", &g_now, &trace->options->namespaces);
		}
	}
	return got > 0;
}

static void
trace_refresh(const struct trace *trace)
{
	trace_read_counted(trace, &g_now);
	fputs(isatty(STDOUT_FILENO) ? CLEAR_SCREEN : "\n", stdout);
	show_text(stdout, &g_before, &g_now, &trace->options->namespaces);
	g_before = g_now;
}

/* Until a signal, the end of the time or of the input. */
static void
trace_watch(const struct trace *trace)
{
	const struct options *options = trace->options;
	struct pollfd fds[] = {
		{ .fd = trace->signals, .events = POLLIN },
		{ .fd = options->snapshots ? STDIN_FILENO : -1, .events = POLLIN },
	};
	double end = options->duration_s > 0 ? trace->began + options->duration_s : 0;
	double next = trace->began + 1;

	while (true) {
		double now = trace_clock_s(), wait = end > 0 ? end - now : 3600;

		if (end > 0 && now >= end) {
			return;
		}
		if (!options->json) {
			wait = next - now < wait ? next - now : wait;
		}
		if (poll(fds, 2, wait > 0 ? (int)(wait * 1000) + 1 : 0) < 0 && errno != EINTR) {
			return;
		}
		if (fds[0].revents != 0 || (fds[1].revents != 0 && !trace_answer(trace))) {
			return;
		}
		if (!options->json && trace_clock_s() >= next) {
			trace_refresh(trace);
			next += 1;
		}
	}
}

static void
trace_show(const struct trace *trace)
{
	const struct options *options = trace->options;

	if (options->snapshots) {
		trace_read_counted(trace, &g_now);
		show_json(stdout, "ready", &g_now, &options->namespaces);
	} else {
		fprintf(stderr, "nvme_tcp_trace: counting on %s; Ctrl-C ends it\n", options->interface);
	}
	trace_watch(trace);
	trace_read_counted(trace, &g_now);
	if (!options->json) {
		printf("\nin all:\n");
		show_text(stdout, NULL, &g_now, &options->namespaces);
	} else if (!options->snapshots) {
		show_json(stdout, "end", &g_now, &options->namespaces);
	}
}

/* Signals are taken from a file descriptor, so that none ends us before we are detached. */
static int
trace_catch_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

int
main(int argc, char **argv)
{
	struct options options = { .ports = { 4420 }, .priority = 1 };
	struct trace trace = { .options = &options };
	struct hook_error error;
	int rc;

	if (trace_parse_options(argc, argv, &options) != 0) {
		return 2;
	}
	g_verbose = options.verbose;
	libbpf_set_print(trace_print_libbpf);
	trace.signals = trace_catch_signals();
	rc = hook_find(&trace.hook, options.interface, &error);
	if (rc != 0) {
		trace_complain(error.found, error.fix, "counting on interface %s", options.interface);
		return 1;
	}
	rc = trace_load(&trace);
	if (rc == 0) {
		rc = trace_attach(&trace);
	}
	if (rc == 0) {
		trace_show(&trace);
		hook_detach(&trace.hook);
	}
	nvme_tcp_trace__destroy(trace.skeleton);
	return rc == 0 ? 0 : 1;
}
