/* A stand-in for wevtapi.dll, whose functions are stubs under Wine. It serves the events of the folder that
   WATCHDOG_TEST_EVENTS names: FOLDER\CHANNEL\NUMBER.xml, one event in each (a '/' in a channel's name is "%4" in that of its
   folder, as in those of Windows itself). It knows just what src/win32/event_log.rs asks of it.

   x86_64-w64-mingw32-gcc -shared -O2 -s -o wevtapi.dll tests/windows/wevtapi.c */
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef HANDLE EVT_HANDLE;
typedef unsigned long long u64;
#define X __declspec(dllexport)
#define CHANNEL_NOT_FOUND 15007

struct event { u64 record; char *xml; };
struct log { char channel[256]; struct event *events; int count; };
enum kind { QUERY = 1, EVENT, BOOKMARK, LOG };
struct object { enum kind kind; struct log log; int at; char *query; char channel[256]; u64 record; char *xml; };

static u64 number_after(const char *text, const char *word) {
    const char *at = text ? strstr(text, word) : 0;
    return at ? strtoull(at + strlen(word), 0, 10) : 0;
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    char *text = calloc(1, 1 << 20);
    fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

static int by_record(const void *a, const void *b) {
    u64 left = ((const struct event *)a)->record, right = ((const struct event *)b)->record;
    return left < right ? -1 : left > right;
}

/* The whole channel; 0 if there is none. */
static int load(struct log *log, LPCWSTR name) {
    char folder[600], path[1200];
    const char *root = getenv("WATCHDOG_TEST_EVENTS");
    WideCharToMultiByte(CP_UTF8, 0, name, -1, log->channel, sizeof log->channel, 0, 0);
    if (!root) return 0;
    int n = snprintf(folder, sizeof folder, "%s\\", root);
    for (const char *c = log->channel; *c && n < 590; c++) n += snprintf(folder + n, sizeof folder - n, *c == '/' ? "%%4" : "%c", *c);
    if (GetFileAttributesA(folder) == INVALID_FILE_ATTRIBUTES) return 0;
    WIN32_FIND_DATAA found;
    snprintf(path, sizeof path, "%s\\*.xml", folder);
    HANDLE find = FindFirstFileA(path, &found);
    if (find == INVALID_HANDLE_VALUE) return 1;
    do {
        snprintf(path, sizeof path, "%s\\%s", folder, found.cFileName);
        char *xml = read_file(path);
        if (!xml) continue;
        log->events = realloc(log->events, (log->count + 1) * sizeof *log->events);
        log->events[log->count++] = (struct event){ number_after(xml, "<EventRecordID>"), xml };
    } while (FindNextFileA(find, &found));
    FindClose(find);
    qsort(log->events, log->count, sizeof *log->events, by_record);
    return 1;
}

/* EventID=N or …, EventRecordID>N, @SystemTime>='…': what the program writes, and nothing else. */
static int selected(const char *query, const struct event *event) {
    u64 id = number_after(event->xml, "<EventID>");
    int is_id = 0;
    for (const char *at = query; (at = strstr(at, "EventID=")); at += 8) is_id |= strtoull(at + 8, 0, 10) == id;
    if (!is_id || event->record <= number_after(query, "EventRecordID>")) return 0;
    const char *since = strstr(query, "SystemTime>='"), *at = strstr(event->xml, "SystemTime=");
    return !since || !at || strncmp(at + 12, since + 13, 19) >= 0;
}

static struct object *make(enum kind kind) {
    struct object *made = calloc(1, sizeof *made);
    made->kind = kind;
    return made;
}

X EVT_HANDLE WINAPI EvtQuery(EVT_HANDLE session, LPCWSTR path, LPCWSTR query, DWORD flags) {
    struct object *made = make(QUERY);
    if (flags != (1 | 0x100)) { SetLastError(ERROR_INVALID_PARAMETER); return 0; }
    if (!load(&made->log, path)) { SetLastError(CHANNEL_NOT_FOUND); return 0; }
    made->query = calloc(1, 4096);
    WideCharToMultiByte(CP_UTF8, 0, query, -1, made->query, 4096, 0, 0);
    return made;
}

X BOOL WINAPI EvtSeek(EVT_HANDLE set, LONGLONG position, EVT_HANDLE bookmark, DWORD timeout, DWORD flags) {
    struct object *query = set, *mark = bookmark;
    if (flags != (4 | 0x10000) || position != 1 || !mark || mark->kind != BOOKMARK) { SetLastError(ERROR_INVALID_PARAMETER); return FALSE; }
    for (int at = 0; at < query->log.count; at++)
        if (query->log.events[at].record == mark->record && selected(query->query, &query->log.events[at])) { query->at = at + 1; return TRUE; }
    SetLastError(ERROR_NOT_FOUND);
    return FALSE;
}

X BOOL WINAPI EvtNext(EVT_HANDLE set, DWORD most, EVT_HANDLE *events, DWORD timeout, DWORD flags, DWORD *count) {
    struct object *query = set;
    for (*count = 0; *count < most && query->at < query->log.count; query->at++) {
        struct event *event = &query->log.events[query->at];
        if (!selected(query->query, event)) continue;
        struct object *made = make(EVENT);
        strcpy(made->channel, query->log.channel);
        made->record = event->record;
        made->xml = strdup(event->xml);
        events[(*count)++] = made;
    }
    if (*count) return TRUE;
    SetLastError(ERROR_NO_MORE_ITEMS);
    return FALSE;
}

X EVT_HANDLE WINAPI EvtCreateBookmark(LPCWSTR xml) {
    struct object *made = make(BOOKMARK);
    if (!xml) return made;
    char text[1024] = "";
    WideCharToMultiByte(CP_UTF8, 0, xml, -1, text, sizeof text - 1, 0, 0);
    made->record = number_after(text, "RecordId='");
    if (made->record) return made;
    free(made);
    SetLastError(ERROR_INVALID_DATA);
    return 0;
}

X BOOL WINAPI EvtUpdateBookmark(EVT_HANDLE bookmark, EVT_HANDLE event) {
    struct object *mark = bookmark, *from = event;
    mark->record = from->record;
    strcpy(mark->channel, from->channel);
    return TRUE;
}

X BOOL WINAPI EvtRender(EVT_HANDLE context, EVT_HANDLE what, DWORD flags, DWORD size, PVOID buffer, DWORD *used, DWORD *count) {
    struct object *object = what;
    char mark[600];
    const char *text = object->xml;
    if (object->kind == BOOKMARK && flags == 2) {
        snprintf(mark, sizeof mark, "<BookmarkList>\r\n  <Bookmark Channel='%s' RecordId='%llu' IsCurrent='true'/>\r\n</BookmarkList>", object->channel, object->record);
        text = mark;
    } else if (object->kind != EVENT || flags != 1) { SetLastError(ERROR_INVALID_PARAMETER); return FALSE; }
    int units = MultiByteToWideChar(CP_UTF8, 0, text, -1, 0, 0);
    *used = units * 2;
    *count = 0;
    if (size < *used) { SetLastError(ERROR_INSUFFICIENT_BUFFER); return FALSE; }
    MultiByteToWideChar(CP_UTF8, 0, text, -1, buffer, units);
    return TRUE;
}

X EVT_HANDLE WINAPI EvtOpenLog(EVT_HANDLE session, LPCWSTR path, DWORD flags) {
    struct object *made = make(LOG);
    if (flags == 1 && load(&made->log, path)) return made;
    free(made);
    SetLastError(CHANNEL_NOT_FOUND);
    return 0;
}

/* A number with its type, as in winevt.h. */
struct variant { u64 number; DWORD count, type; };

X BOOL WINAPI EvtGetLogInfo(EVT_HANDLE log, DWORD property, DWORD size, struct variant *value, DWORD *used) {
    struct object *object = log;
    struct event *events = object->log.events;
    int count = object->log.count;
    *used = sizeof *value;
    if (size < sizeof *value) { SetLastError(ERROR_INSUFFICIENT_BUFFER); return FALSE; }
    u64 oldest = count ? events[0].record : 0;
    u64 all = count ? events[count - 1].record - oldest + 1 : 0;
    if (property != 5 && property != 6) { SetLastError(ERROR_INVALID_PARAMETER); return FALSE; }
    *value = (struct variant){ property == 5 ? all : oldest, 0, 10 };
    return TRUE;
}

X BOOL WINAPI EvtClose(EVT_HANDLE handle) {
    struct object *object = handle;
    for (int at = 0; at < object->log.count; at++) free(object->log.events[at].xml);
    free(object->log.events);
    free(object->query);
    free(object->xml);
    free(object);
    return TRUE;
}
