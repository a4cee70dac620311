/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Sends mutated streams to a csd_tgt, from hosts that it lets in and from strangers, and looks through everything that comes
 * back for bytes of a host that is neither. It prints what happened as JSON; 1: the target is gone, left a command
 * unanswered, or sent what it may not.
 *
 *	csd_fuzz [-s SEED] [-f FIRST] [-n STREAMS] [-t SECONDS] [-v] COMMANDS OPEN SECRET PROGRAM...
 *
 * Each of the three places is PORT,SUBNQN,HOSTNQN. Stream N of a seed is the same whatever went before it: -f N -n 1 sends
 * it alone, -v says what is sent. -t ends the run early, or goes on until then when there is no -n.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chance.h"
#include "secret.h"
#include "streams.h"

struct fuzz fuzz;

static void __attribute__((noreturn))
main_give_up(uint64_t stream, const char *format, va_list args)
{
	vfprintf(stderr, format, args);
	fprintf(stderr, "\nstream %llu of seed %llu", (unsigned long long)stream, (unsigned long long)fuzz.seed);
	if (stream != fuzz.stream) {
		fprintf(stderr, ", seen in stream %llu", (unsigned long long)fuzz.stream);
	}
	fprintf(stderr, "; again: -s %llu -f %llu -n %llu\n", (unsigned long long)fuzz.seed, (unsigned long long)stream,
		(unsigned long long)(fuzz.stream - stream + 1));
	/* Not exit: what is still under way is no leak. */
	_exit(1);
}

void
give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	main_give_up(fuzz.stream, format, args);
}

void
give_up_of(uint64_t stream, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	main_give_up(stream, format, args);
}

void
count_status(uint16_t status)
{
	fuzz.seen.status[status >> 8 & 7][status & 0xff]++;
	if ((status & 0x7ff) == 0) {
		fuzz.seen.succeeded++;
	} else {
		fuzz.seen.refused++;
	}
}

static void
main_stream(void)
{
	static const enum kind kinds[] = {
		KIND_HOST, KIND_HOST, KIND_HOST, KIND_HOST, KIND_STRANGER, KIND_STRANGER, KIND_DISCOVERY, KIND_GUEST, KIND_GUEST,
		KIND_GUEST,
	};
	enum kind kind;

	plant();
	chance = chance_of(fuzz.seed, fuzz.stream);
	kind = one_of(kinds);
	fuzz.seen.streams[kind]++;
	if (kind == KIND_HOST) {
		commands_stream();
	} else {
		guest_stream(kind);
	}
	guest_look();
}

static void
main_place(struct place *place, char *text)
{
	char *port = strtok(text, ","), *subnqn = strtok(NULL, ","), *hostnqn = strtok(NULL, ",");

	if (hostnqn == NULL) {
		fprintf(stderr, "a place is PORT,SUBNQN,HOSTNQN\n");
		exit(2);
	}
	*place = (struct place){ (uint16_t)atoi(port), subnqn, hostnqn };
}

static void
main_program(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(65536);

	if (file == NULL || bytes == NULL || fuzz.programs == MAX_PROGRAMS) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(2);
	}
	fuzz.program[fuzz.programs].bytes = bytes;
	fuzz.program[fuzz.programs++].length = (uint32_t)fread(bytes, 1, 65536, file);
	fclose(file);
}

static void
main_number(const char *name, uint64_t value)
{
	printf("\"%s\": %llu, ", name, (unsigned long long)value);
}

static void
main_tell(uint64_t streams)
{
	uint32_t sct, sc, told = 0;

	printf("{");
	main_number("seed", fuzz.seed);
	main_number("streams", streams);
	main_number("host", fuzz.seen.streams[KIND_HOST]);
	main_number("stranger", fuzz.seen.streams[KIND_STRANGER]);
	main_number("discovery", fuzz.seen.streams[KIND_DISCOVERY]);
	main_number("guest", fuzz.seen.streams[KIND_GUEST]);
	main_number("connections", fuzz.seen.connections);
	main_number("turned_away", fuzz.seen.turned_away);
	main_number("pdus", fuzz.seen.pdus);
	main_number("terminated", fuzz.seen.terminated);
	main_number("commands", fuzz.seen.commands);
	main_number("succeeded", fuzz.seen.succeeded);
	main_number("refused", fuzz.seen.refused);
	main_number("cut", fuzz.seen.cut);
	main_number("lost", fuzz.seen.lost);
	main_number("stalled", fuzz.seen.stalled);
	main_number("first_halves", fuzz.seen.first_halves);
	main_number("planted", fuzz.seen.planted);
	main_number("bytes_looked_at", fuzz.seen.looked_at);
	printf("\"statuses\": {");
	for (sct = 0; sct < 8; sct++) {
		for (sc = 0; sc < 256; sc++) {
			if (fuzz.seen.status[sct][sc] != 0) {
				printf("%s\"%X%02X\": %llu", told++ > 0 ? ", " : "", sct, sc,
				       (unsigned long long)fuzz.seen.status[sct][sc]);
			}
		}
	}
	printf("}}\n");
}

int
main(int argc, char **argv)
{
	uint64_t first = 0, streams = UINT64_MAX, done;
	time_t until = 0;
	int option;

	while ((option = getopt(argc, argv, "s:f:n:t:v")) != -1) {
		switch (option) {
		case 's':
			fuzz.seed = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			first = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			streams = strtoull(optarg, NULL, 0);
			break;
		case 't':
			until = time(NULL) + atol(optarg);
			break;
		case 'v':
			fuzz.verbose = true;
			break;
		default:
			return 2;
		}
	}
	if (argc - optind < 4 || (streams == UINT64_MAX && until == 0)) {
		fprintf(stderr, "csd_fuzz [-s SEED] [-f FIRST] [-n STREAMS] [-t SECONDS] [-v] COMMANDS OPEN SECRET PROGRAM...\n");
		return 2;
	}
	main_place(&fuzz.commands, argv[optind]);
	main_place(&fuzz.open, argv[optind + 1]);
	main_place(&fuzz.secret, argv[optind + 2]);
	for (optind += 3; optind < argc; optind++) {
		main_program(argv[optind]);
	}
	secret_init(fuzz.seed);
	fuzz.stream = first;
	commands_begin();
	guest_begin();
	plant_begin();
	for (done = 0; done < streams && (until == 0 || time(NULL) < until); done++) {
		fuzz.stream = first + done;
		main_stream();
	}
	guest_end();
	commands_end();
	plant_end();
	main_tell(done);
	return 0;
}
