/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Lines of text for who looks for a program's faults, as bpf_trace_printk() makes them: %d %i %u %x %X %c %s %p %%, with l
 * and ll, a width and the flags 0 - + and space. What has no room is counted and lost.
 */
static struct csd_trace {
	u64 to, room;
	u64 written;
} csd_trace;

static inline void
csd_trace_put(u8 c)
{
	if (csd_trace.written < csd_trace.room) {
		STORE(m8, csd_trace.to + csd_trace.written, c);
	}
	csd_trace.written++;
}

static inline void
csd_trace_fill(u8 c, u64 have, u64 want)
{
	for (; have < want; have++) {
		csd_trace_put(c);
	}
}

struct csd_field {
	u64 width;
	u8 left, zeros, plus, space;
};

/* `sign`: 0 for none. */
static inline void
csd_trace_number(const struct csd_field *field, u64 value, u64 base, u8 sign, u8 letter)
{
	u8 digits[20];
	u64 count = 0, length;
	u32 pads_zeros = field->zeros && !field->left;

	do {
		u8 digit = value % base;

		digits[count++] = digit < 10 ? '0' + digit : letter + digit - 10;
		value /= base;
	} while (value != 0);
	length = count + (sign != 0);
	if (!field->left && !pads_zeros) {
		csd_trace_fill(' ', length, field->width);
	}
	if (sign != 0) {
		csd_trace_put(sign);
	}
	if (pads_zeros) {
		csd_trace_fill('0', length, field->width);
	}
	for (u64 i = count; i > 0; i--) {
		csd_trace_put(digits[i - 1]);
	}
	if (field->left) {
		csd_trace_fill(' ', length, field->width);
	}
}

static inline void
csd_trace_text(const struct csd_field *field, u64 text, u64 length)
{
	if (!field->left) {
		csd_trace_fill(' ', length, field->width);
	}
	for (u64 i = 0; i < length; i++) {
		csd_trace_put(LOAD(m8, text + i));
	}
	if (field->left) {
		csd_trace_fill(' ', length, field->width);
	}
}

static inline u64
csd_trace_length(u64 text)
{
	u64 length = 0;

	while (LOAD(m8, text + length) != 0) {
		length++;
	}
	return length;
}

/* One field, whose flags and width are read. 0: there is no such. */
static inline u32
csd_trace_field(const struct csd_field *field, u8 kind, u32 longs, u64 value)
{
	u8 letter = value, sign = field->plus ? '+' : field->space ? ' ' : 0;

	switch (kind) {
	case 'd':
	case 'i':
		value = longs == 0 ? (u64)(s64)(s32)value : value;
		if ((s64)value < 0) {
			csd_trace_number(field, 0 - value, 10, '-', 0);
		} else {
			csd_trace_number(field, value, 10, sign, 0);
		}
		return 1;
	case 'u':
		csd_trace_number(field, longs == 0 ? (u32)value : value, 10, 0, 0);
		return 1;
	case 'x':
	case 'X':
		csd_trace_number(field, longs == 0 ? (u32)value : value, 16, 0, kind == 'x' ? 'a' : 'A');
		return 1;
	case 'p':
		csd_trace_number(field, value, 16, 0, 'a');
		return longs == 0;
	case 'c':
		csd_trace_text(field, (u64)&letter, 1);
		return longs == 0;
	case 's':
		if (longs != 0) {
			return 0;
		}
		csd_trace_text(field, value, csd_trace_length(value));
		return 1;
	default:
		return 0;
	}
}

/* What stands behind a percent sign; the place of its last character, or 0: there is no such field. */
static inline u64
csd_trace_percent(u64 format, u64 value)
{
	struct csd_field field = {0};
	u32 longs = 0;
	u8 c = LOAD(m8, format);

	for (; c == '0' || c == '-' || c == '+' || c == ' '; c = LOAD(m8, ++format)) {
		field.zeros |= c == '0';
		field.left |= c == '-';
		field.plus |= c == '+';
		field.space |= c == ' ';
	}
	for (; c >= '0' && c <= '9' && field.width < 1000; c = LOAD(m8, ++format)) {
		field.width = field.width * 10 + c - '0';
	}
	for (; c == 'l' && longs < 2; c = LOAD(m8, ++format)) {
		longs++;
	}
	return csd_trace_field(&field, c, longs, value) ? format : 0;
}

/* How long the line is without its end; or EINVAL, and it may have begun. */
static inline u64
csd_trace_format(u64 format, u64 bytes, u64 arguments, u64 count)
{
	u64 begin = csd_trace.written, used = 0, length;
	u8 c = 0;

	/* Its last byte is a zero: behind that nothing is read. */
	if ((u32)bytes == 0 || LOAD(m8, format + (u32)bytes - 1) != 0) {
		return -22ULL;
	}
	for (; LOAD(m8, format) != 0; format++) {
		c = LOAD(m8, format);
		if (c != '%') {
			csd_trace_put(c);
		} else if (LOAD(m8, format + 1) == '%') {
			csd_trace_put(c);
			format++;
		} else {
			format = used < count ? csd_trace_percent(format + 1, LOAD(m64, arguments + used * 8)) : 0;
			used++;
			if (format == 0) {
				return -22ULL;
			}
			c = 0;
		}
	}
	length = csd_trace.written - begin;
	if (c != '\n') {
		csd_trace_put('\n');
	}
	return length;
}

/* A line, or none: first where there is no room. */
static inline u64
csd_trace_line(u64 format, u64 bytes, u64 arguments, u64 count)
{
	struct csd_trace before = csd_trace;
	u64 length;

	csd_trace.room = 0;
	length = csd_trace_format(format, bytes, arguments, count);
	csd_trace = before;
	return (s64)length < 0 ? length : csd_trace_format(format, bytes, arguments, count);
}

static inline u64
csd_trace_printk(u64 format, u64 bytes, u64 r3, u64 r4, u64 r5)
{
	u64 arguments[] = {r3, r4, r5};

	return csd_trace_line(format, bytes, (u64)arguments, 3);
}

static inline u64
csd_trace_vprintk(u64 format, u64 bytes, u64 arguments, u64 argument_bytes)
{
	/* Linux's limit. */
	return (u32)argument_bytes % 8 != 0 || (u32)argument_bytes > 12 * 8 ? -22ULL :
	       csd_trace_line(format, bytes, arguments, (u32)argument_bytes / 8);
}
