/* What Wine's `sc` cannot do, for tests: control.exe reload | account NAME | start-type NUMBER, of the service host-watchdog. */
#include <windows.h>
#include <stdlib.h>
#include <wchar.h>

int wmain(int count, wchar_t **words) {
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service = manager ? OpenServiceW(manager, L"host-watchdog", SERVICE_ALL_ACCESS) : NULL;
    SERVICE_STATUS status;
    if (!service) return 2;
    if (count == 2 && !wcscmp(words[1], L"reload"))
        return ControlService(service, SERVICE_CONTROL_PARAMCHANGE, &status) ? 0 : 1;
    if (count == 3 && !wcscmp(words[1], L"account"))
        return ChangeServiceConfigW(service, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, NULL, NULL, NULL,
                                    NULL, words[2], L"", NULL) ? 0 : 1;
    if (count == 3 && !wcscmp(words[1], L"start-type"))
        return ChangeServiceConfigW(service, SERVICE_NO_CHANGE, wcstoul(words[2], NULL, 10), SERVICE_NO_CHANGE, NULL, NULL,
                                    NULL, NULL, NULL, NULL, NULL) ? 0 : 1;
    return 3;
}
