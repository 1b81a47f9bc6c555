#define _GNU_SOURCE
#include "archive.h"

#include <stdio.h>
#include <string.h>

/* The head of an entry as it stands there. Numbers are octal digits. */
struct head {
    char name[100], mode[8], uid[8], gid[8], size[12], modified[12], check[8], kind, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct head) == ARCHIVE_BLOCK, "a head is one block");

enum { NAME_MAX_BYTES = 1100, RECORD_DIGITS_MAX = 4 };

static const char MANIFEST[] = "manifest.json";

/* The digits and a NUL. */
static void put_octal(char *field, size_t room, uint64_t value)
{
    field[--room] = '\0';
    while (room > 0) {
        field[--room] = (char)('0' + (value & 7));
        value >>= 3;
    }
}

static unsigned check_of(const struct head *head)
{
    const unsigned char *bytes = (const unsigned char *)head;
    unsigned             sum   = 0;
    for (size_t i = 0; i < sizeof *head; i++)
        sum += i >= offsetof(struct head, check) && i < offsetof(struct head, kind) ? ' ' : bytes[i];
    return sum;
}

static bool put_block(struct bytes *out, const char *name, size_t length, const struct archive_entry *entry, char kind, uint64_t size)
{
    struct head head = {.magic = "ustar", .version = {'0', '0'}, .kind = kind};
    memcpy(head.name, name, length < sizeof head.name ? length : sizeof head.name);
    put_octal(head.mode, sizeof head.mode, entry->mode & 0777);
    put_octal(head.uid, sizeof head.uid, 0);
    put_octal(head.gid, sizeof head.gid, 0);
    put_octal(head.size, sizeof head.size, size);
    put_octal(head.modified, sizeof head.modified, entry->modified_s > 0 ? (uint64_t)entry->modified_s : 0);
    put_octal(head.check, sizeof head.check - 1, check_of(&head));
    head.check[7] = ' ';
    return bytes_append(out, &head, sizeof head);
}

/* "27 path=...\n", whose number counts itself. */
static bool put_long_name(struct bytes *out, const struct archive_entry *entry, const char *name, size_t length)
{
    char   record[NAME_MAX_BYTES + 32];
    size_t whole = length + sizeof " path=\n" - 1, digits = 1;
    while (digits < RECORD_DIGITS_MAX && snprintf(NULL, 0, "%zu", whole + digits) > (int)digits)
        digits++;
    whole += digits;
    (void)snprintf(record, sizeof record, "%zu path=%.*s\n", whole, (int)length, name);
    return put_block(out, "pax", 3, entry, 'x', whole) && bytes_append(out, record, whole) && archive_put_padding(out, whole);
}

bool archive_put_head(struct bytes *out, const struct archive_entry *entry)
{
    char   name[NAME_MAX_BYTES + 1];
    int    wanted = snprintf(name, sizeof name, "%s%s%s", entry->prefix, entry->path, entry->kind == ARCHIVE_DIRECTORY ? "/" : "");
    size_t length = wanted < (int)sizeof name ? (size_t)wanted : sizeof name - 1;
    if (length > sizeof((struct head *)0)->name && !put_long_name(out, entry, name, length))
        return false;
    return put_block(out, name, length, entry, (char)entry->kind, entry->size);
}

static bool put_zeros(struct bytes *out, size_t length)
{
    static const char zeros[2 * ARCHIVE_BLOCK];
    return length == 0 || bytes_append(out, zeros, length);
}

bool archive_put_padding(struct bytes *out, uint64_t size)
{
    return put_zeros(out, (size_t)((ARCHIVE_BLOCK - size % ARCHIVE_BLOCK) % ARCHIVE_BLOCK));
}

bool archive_put(struct bytes *out, const char *name, const void *data, size_t length, int64_t modified_s)
{
    const struct archive_entry entry = {
        .prefix = "", .path = name, .kind = ARCHIVE_FILE, .mode = 0644, .size = length, .modified_s = modified_s};
    return archive_put_head(out, &entry) && (length == 0 || bytes_append(out, data, length)) && archive_put_padding(out, length);
}

bool archive_put_end(struct bytes *out)
{
    return put_zeros(out, (size_t)2 * ARCHIVE_BLOCK);
}

/* False: not a number as an archive's has to be. */
static bool read_octal(const char *field, size_t room, uint64_t *ret)
{
    size_t at = 0;
    *ret      = 0;
    while (at < room && field[at] == ' ')
        at++;
    for (; at < room && field[at] >= '0' && field[at] <= '7'; at++)
        *ret = *ret << 3 | (uint64_t)(field[at] - '0');
    return at == room || field[at] == '\0' || field[at] == ' ';
}

enum archive_start archive_find_manifest(const char *data, size_t length, const char **ret_text, size_t *ret_length)
{
    struct head head;
    uint64_t    size, check;

    if (length < sizeof head)
        return ARCHIVE_MORE;
    memcpy(&head, data, sizeof head);
    if (memcmp(head.name, MANIFEST, sizeof MANIFEST) != 0 || memcmp(head.magic, "ustar", 5) != 0 || head.prefix[0] != '\0' ||
        (head.kind != ARCHIVE_FILE && head.kind != '\0') || !read_octal(head.check, sizeof head.check, &check) ||
        check != check_of(&head) || !read_octal(head.size, sizeof head.size, &size) || size > ARCHIVE_MANIFEST_MAX)
        return ARCHIVE_WRONG;
    if (length - sizeof head < size)
        return ARCHIVE_MORE;
    *ret_text   = data + sizeof head;
    *ret_length = (size_t)size;
    return ARCHIVE_FOUND;
}
