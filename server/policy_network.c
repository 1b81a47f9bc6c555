#define _GNU_SOURCE
#include "policy_network.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const policy_place SECTION = {"network"}, ENABLED = {"network", "enabled"}, DOMAINS = {"network", "allowedDomains"},
                          BLOCKED = {"network", "blockedDomains"}, PORTS = {"network", "allowedPorts"},
                          ADDRESSES = {"network", "allowedAddresses"}, HOSTS = {"network", "hosts"}, IMPORTS = {"network", "imports"},
                          KEYS = {"network", "allowedKeys"};

enum { DOMAIN_MAX = 260, DEFAULT_PORT = 443 };

/* An address as 16 bytes, IPv4 mapped into IPv6, so that there is one rule for both. */
struct range {
    unsigned char bytes[16];
    unsigned      bits;
};

static bool read_address(const char *text, unsigned char ret[16], bool *ret_is_v4)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    *ret_is_v4                            = inet_pton(AF_INET, text, ret + 12) == 1;
    if (*ret_is_v4)
        memcpy(ret, mapped, sizeof mapped);
    return *ret_is_v4 || inet_pton(AF_INET6, text, ret) == 1;
}

/* "10.0.0.0/8", "::1". */
static bool read_range(const char *text, struct range *ret)
{
    char copy[64], *slash, *end;
    bool is_v4;
    long bits;
    if (text == NULL || strlen(text) >= sizeof copy)
        return false;
    strcpy(copy, text);
    slash = strchr(copy, '/');
    if (slash != NULL)
        *slash++ = '\0';
    if (!read_address(copy, ret->bytes, &is_v4))
        return false;
    ret->bits = 128;
    if (slash == NULL)
        return true;
    bits = strtol(slash, &end, 10);
    if (!isdigit((unsigned char)*slash) || *end != '\0' || bits > (is_v4 ? 32 : 128))
        return false;
    ret->bits = (unsigned)bits + (is_v4 ? 96 : 0);
    return true;
}

static bool is_in(const unsigned char address[16], const struct range *range)
{
    unsigned whole = range->bits / 8, rest = range->bits % 8;
    if (memcmp(address, range->bytes, whole) != 0)
        return false;
    return rest == 0 || ((address[whole] ^ range->bytes[whole]) >> (8 - rest)) == 0;
}

/* What is nobody's in particular, or somebody's inside: never reached unless the policy names it. */
static bool is_public(const unsigned char address[16])
{
    static const char *const inner[] = {"0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
                                        "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
                                        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
                                        "2001::/23",     "2001:db8::/32",   "2002::/16",      "3fff::/20"};
    struct range             range, mapped, global;
    if (!read_range("0.0.0.0/0", &mapped) || !read_range("2000::/3", &global) || (!is_in(address, &mapped) && !is_in(address, &global)))
        return false;
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        if (read_range(inner[i], &range) && is_in(address, &range))
            return false;
    return true;
}

bool policy_network_allows_address(const struct policy_network *network, const struct sockaddr *address)
{
    char          text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    struct range  range;
    json_t       *item;
    size_t        i;
    bool          is_v4;
    const void   *raw = address->sa_family == AF_INET    ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                        : address->sa_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                                                         : NULL;
    if (raw == NULL || inet_ntop(address->sa_family, raw, text, sizeof text) == NULL || !read_address(text, bytes, &is_v4))
        return false;
    json_array_foreach(json_object_get(network->section, "allowedAddresses"), i, item)
    {
        if (read_range(json_string_value(item), &range) && is_in(bytes, &range))
            return true;
    }
    return is_public(bytes);
}

/* "host", "*.host", "host:port", "[v6]:port"? An address is written as it is, IPv6 in brackets. */
static bool split_domain(const char *text, char ret_host[DOMAIN_MAX], uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
    size_t      length;
    char       *end;
    long        port = 0;
    if (colon != NULL && bracket != NULL && colon < bracket)
        colon = NULL;
    length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    if (length == 0 || length >= DOMAIN_MAX)
        return false;
    if (colon != NULL) {
        port = strtol(colon + 1, &end, 10);
        if (!isdigit((unsigned char)colon[1]) || *end != '\0' || port < 1 || port > 65535)
            return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr("-._*[]:", text[i]) == NULL)
            return false;
        ret_host[i] = (char)tolower((unsigned char)text[i]);
    }
    ret_host[length] = '\0';
    *ret_port        = (uint16_t)port;
    return true;
}

/* "*" is any, "*.b" every name below b, and anything else itself. */
static bool matches(const char *pattern, const char *host)
{
    size_t tail;
    if (strcmp(pattern, "*") == 0)
        return true;
    if (strncmp(pattern, "*.", 2) != 0)
        return strcmp(pattern, host) == 0;
    tail = strlen(pattern + 1);
    return strlen(host) > tail && strcmp(host + strlen(host) - tail, pattern + 1) == 0;
}

static bool has_port(const struct policy_network *network, uint16_t port)
{
    for (size_t i = 0; i < network->port_count; i++)
        if (network->ports[i] == port)
            return true;
    return false;
}

bool policy_network_allows(const struct policy_network *network, const char *host, uint16_t port)
{
    json_t  *item;
    size_t   i;
    char     pattern[DOMAIN_MAX];
    uint16_t only;
    json_array_foreach(json_object_get(network->section, "blockedDomains"), i, item)
    {
        /* "*" says what holds anyway: what is not allowed is refused */
        if (split_domain(json_string_value(item), pattern, &only) && strcmp(pattern, "*") != 0 && matches(pattern, host))
            return false;
    }
    json_array_foreach(json_object_get(network->section, "allowedDomains"), i, item)
    {
        if (split_domain(json_string_value(item), pattern, &only) && matches(pattern, host) &&
            (only != 0 ? only == port : has_port(network, port)))
            return true;
    }
    return false;
}

const char *policy_network_host(const struct policy_network *network, const char *host)
{
    return json_string_value(json_object_get(json_object_get(network->section, "hosts"), host));
}

bool policy_network_allows_key(const struct policy_network *network, const char *key)
{
    const json_t *list = json_object_get(network->section, "allowedKeys"), *item;
    size_t        i;
    if (list == NULL)
        return true;
    json_array_foreach(list, i, item)
    {
        if (key != NULL && strcmp(json_string_value(item), key) == 0)
            return true;
    }
    return false;
}

/* ---- reading ---- */

static int check_domains(const struct policy_file *file, const policy_place place, struct err *err)
{
    json_t  *list, *item;
    size_t   i;
    char     host[DOMAIN_MAX];
    uint16_t port;
    if (policy_file_strings(file, place, DOMAIN_MAX, &list, err) != 0)
        return -1;
    json_array_foreach(list, i, item)
    {
        if (!split_domain(json_string_value(item), host, &port) ||
            (strchr(host, '*') != NULL && strcmp(host, "*") != 0 && (strncmp(host, "*.", 2) != 0 || strchr(host + 1, '*') != NULL)))
            return policy_file_fail(file, place, err, "\"%.60s\" is no host, *.domain or either with :port", json_string_value(item));
    }
    return 0;
}

static int check_addresses(const struct policy_file *file, struct err *err)
{
    json_t      *list, *item;
    size_t       i;
    struct range range;
    if (policy_file_strings(file, ADDRESSES, 64, &list, err) != 0)
        return -1;
    json_array_foreach(list, i, item)
    {
        if (!read_range(json_string_value(item), &range))
            return policy_file_fail(file, ADDRESSES, err, "\"%.60s\" is no address or range", json_string_value(item));
    }
    return 0;
}

static int check_hosts(const struct policy_file *file, struct err *err)
{
    json_t       *hosts, *item;
    const char   *name;
    unsigned char bytes[16];
    bool          is_v4;
    if (policy_file_find(file, HOSTS, &hosts, err) != 0)
        return -1;
    if (hosts != NULL && !json_is_object(hosts))
        return policy_file_fail(file, HOSTS, err, "must be an object");
    json_object_foreach(hosts, name, item)
    {
        if (json_string_value(item) == NULL || !read_address(json_string_value(item), bytes, &is_v4))
            return policy_file_fail(file, HOSTS, err, "must have addresses as values, which that of \"%.60s\" is not", name);
    }
    return 0;
}

static int read_ports(struct policy_network *network, const struct policy_file *file, struct err *err)
{
    json_t *list, *item;
    size_t  i;
    if (policy_file_find(file, PORTS, &list, err) != 0)
        return -1;
    if (list == NULL) {
        network->ports[network->port_count++] = DEFAULT_PORT;
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) > NETWORK_PORTS_MAX)
        return policy_file_fail(file, PORTS, err, "must be an array of at most %d ports", NETWORK_PORTS_MAX);
    json_array_foreach(list, i, item)
    {
        if (!json_is_integer(item) || json_integer_value(item) < 1 || json_integer_value(item) > 65535)
            return policy_file_fail(file, PORTS, err, "must be an array of numbers from 1 to 65535");
        network->ports[network->port_count++] = (uint16_t)json_integer_value(item);
    }
    return 0;
}

static int read_numbers(struct policy_network *network, const struct policy_file *file, struct err *err)
{
    static const policy_place connections_place = {"network", "maxConnections"}, timeout_place = {"network", "timeout"},
                              download_place = {"network", "maxDownloadSize"}, upload_place = {"network", "maxUploadSize"};
    uint64_t connections = 16, timeout_ms = 30000;
    network->download_bytes = 100 << 20;
    network->upload_bytes   = 10 << 20;
    if (policy_file_number(file, connections_place, 0, 1000, &connections, err) != 0 ||
        policy_file_number(file, timeout_place, 100, 3600000, &timeout_ms, err) != 0 ||
        policy_file_number(file, download_place, 0, UINT64_C(1) << 46, &network->download_bytes, err) != 0 ||
        policy_file_number(file, upload_place, 0, UINT64_C(1) << 46, &network->upload_bytes, err) != 0)
        return -1;
    network->connections = (uint32_t)connections;
    network->timeout_ms  = (uint32_t)timeout_ms;
    return 0;
}

int policy_network_read(struct policy_network *network, const struct policy_file *file, struct err *err)
{
    json_t *section, *enabled, *list;
    if (policy_file_find(file, SECTION, &section, err) != 0)
        return -1;
    if (section == NULL)
        return 0;
    if (!json_is_object(section))
        return policy_file_fail(file, SECTION, err, "must be an object");
    if (policy_file_find(file, ENABLED, &enabled, err) != 0)
        return -1;
    if (enabled != NULL && !json_is_boolean(enabled))
        return policy_file_fail(file, ENABLED, err, "must be true or false");
    if (check_domains(file, DOMAINS, err) != 0 || check_domains(file, BLOCKED, err) != 0 || check_addresses(file, err) != 0 ||
        check_hosts(file, err) != 0 || policy_file_strings(file, IMPORTS, 100, &list, err) != 0 ||
        policy_file_strings(file, KEYS, 64, &list, err) != 0 || read_ports(network, file, err) != 0 ||
        read_numbers(network, file, err) != 0)
        return -1;
    network->enabled = json_is_true(enabled);
    network->section = json_incref(section);
    return 0;
}

void policy_network_done(struct policy_network *network)
{
    json_decref(network->section);
    network->section = NULL;
}
