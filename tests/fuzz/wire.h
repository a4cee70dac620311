/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* NVMe/TCP's PDUs and NVMe's entries, as bytes on the wire (little-endian, as the machine is). */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

#include <stdint.h>

enum {
	PDU_ICREQ = 0x00, PDU_ICRESP = 0x01, PDU_H2C_TERM = 0x02, PDU_C2H_TERM = 0x03, PDU_COMMAND = 0x04,
	PDU_RESPONSE = 0x05, PDU_H2C_DATA = 0x06, PDU_C2H_DATA = 0x07, PDU_R2T = 0x09,
};

/* Flags of PDUs: digests that they carry, the last of its command's data, data that stand for success. */
#define FLAG_HEADER_DIGEST	0x01
#define FLAG_DATA_DIGEST	0x02
#define FLAG_LAST		0x04
#define FLAG_SUCCESS		0x08

#define SGL_IN_CAPSULE	0x01
#define SGL_TRANSPORT	0x5a

enum { FABRICS = 0x7f };
enum { PROPERTY_SET = 0x00, CONNECT = 0x01, PROPERTY_GET = 0x04 };
enum { REGISTER_CC = 0x14, REGISTER_CSTS = 0x1c };

#define DISCOVERY_NQN	"nqn.2014-08.org.nvmexpress.discovery"
#define IN_CAPSULE	4096

struct pdu {
	uint8_t type;
	uint8_t flags;
	uint8_t hlen;
	uint8_t pdo;
	uint32_t plen;
};

struct command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t cid;
	uint32_t nsid;
	uint32_t dw2;
	uint32_t dw3;
	uint32_t dw4;
	uint32_t dw5;
	uint64_t sgl_address;
	uint32_t sgl_length;
	uint8_t sgl_reserved[3];
	uint8_t sgl_type;
	uint32_t dw10, dw11, dw12, dw13, dw14, dw15;
};
_Static_assert(sizeof(struct command) == 64, "command");

struct capsule {
	struct pdu pdu;
	struct command command;
};
_Static_assert(sizeof(struct capsule) == 72, "capsule");

struct response {
	struct pdu pdu;
	uint32_t value[2];
	uint16_t sqhd, sqid, cid, status;
};
_Static_assert(sizeof(struct response) == 24, "response");

/* H2CData, C2HData and R2T are laid out alike. */
struct data_pdu {
	struct pdu pdu;
	uint16_t cid, ttag;
	uint32_t offset, length, reserved;
};
_Static_assert(sizeof(struct data_pdu) == 24, "data");

struct icreq {
	struct pdu pdu;
	uint16_t pfv;
	uint8_t hpda;
	uint8_t digests;
	uint32_t maxr2t;
	uint8_t reserved[112];
};
_Static_assert(sizeof(struct icreq) == 128, "icreq");

struct term_pdu {
	struct pdu pdu;
	uint16_t status;
	uint16_t information[2];
	uint8_t reserved[10];
};
_Static_assert(sizeof(struct term_pdu) == 24, "term");

struct connect_data {
	uint8_t hostid[16];
	uint16_t cntlid;
	uint8_t reserved[238];
	char subnqn[256], hostnqn[256];
	uint8_t reserved768[256];
};
_Static_assert(sizeof(struct connect_data) == 1024, "connect");

#endif
