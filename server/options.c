#include "options.h"

json_t *options_merge(const json_t *base, json_t *over)
{
    json_t     *merged = base != NULL ? json_deep_copy(base) : NULL, *value;
    const char *key;
    if (merged == NULL || over == NULL)
        return merged != NULL ? merged : json_incref(over);
    json_object_foreach(over, key, value)
    {
        json_t *there = json_object_get(merged, key);
        if (json_is_object(there) && json_is_object(value))
            (void)json_object_update(there, value);
        else
            (void)json_object_set(merged, key, value);
    }
    return merged;
}
