# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_host_watchdog_global_optspecs
    string join \n config= state-dir= h/help V/version
end

function __fish_host_watchdog_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_host_watchdog_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_host_watchdog_using_subcommand
    set -l cmd (__fish_host_watchdog_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "snapshot" -d 'Write a policy that allows what runs now'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "check" -d 'Look once and say what differs from the policy'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "explain" -d 'Say which rule allows what runs, listens or logged in, how strong it is, and which stronger one would hold'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "run" -d 'Watch: look on schedule and mail what differs'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "deliver" -d 'Deliver the mails that wait in the outbox'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "lend-events" -d 'Ask the kernel for the starts of processes and lend the socket to the service at standard input'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "validate" -d 'Check settings and policies as `run` does at its start'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "alerts" -d 'List open alerts'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "show" -d 'Show one alert with all its evidence'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "status" -d 'Say how the watchdog itself is: passes, coverage, cost, outbox, policy'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "doctor" -d 'Say what this host lacks for the watchdog to see and to be heard, and what to do about it'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "metrics" -d 'Print counts for Prometheus: alerts by code, passes, cost, outbox'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "firewall" -d 'Tell the watching service the rules of the firewall, on a connection that systemd hands over'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "mail" -d 'Try the mail'
complete -c host-watchdog -n "__fish_host_watchdog_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand snapshot" -s o -l output -d 'Write to this file instead of the terminal; a file that is there is left alone' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand snapshot" -l with -d 'Look also at what is off unless asked for' -r -f -a "unix-listeners\t'Sockets that everybody on the host may talk to'
connections\t'Connections to elsewhere'"
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand snapshot" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand snapshot" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand snapshot" -l force -d 'Replace the file if it is there'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand snapshot" -l facts -d 'Print the facts as JSON instead of a policy'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand snapshot" -l ready-made -d 'Include the ready-made policies of the packages that are installed, and learn only the rest'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand snapshot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand snapshot" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand check" -l policy -d 'The policy [default: that of the service]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand check" -l facts -d 'Check recorded facts (from `snapshot --facts`; `-` for standard input) instead of looking' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand check" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand check" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand check" -l json -d 'Print one finding per line as JSON'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand check" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand explain" -l policy -d 'The policy [default: that of the service]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand explain" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand explain" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand explain" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand run" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand run" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand run" -l once -d 'Make one pass, deliver what it has to say, and end'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand run" -l no-deliver -d 'Leave the mails in the outbox; `watchdog deliver --stay` delivers them'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand run" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand deliver" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand deliver" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand deliver" -l stay -d 'Stay, and deliver each mail as it comes; SIGHUP reads the settings anew, SIGTERM stops'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand deliver" -l handed-over -d 'Give the mails that were laid aside for the sendmail program to it'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand deliver" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand deliver" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand lend-events" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand lend-events" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand lend-events" -s h -l help -d 'Print help'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand lend-events" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand validate" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand validate" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand validate" -s h -l help -d 'Print help'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand validate" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand alerts" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand alerts" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand alerts" -l json -d 'Print one alert per line as JSON'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand alerts" -s h -l help -d 'Print help'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand alerts" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand show" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand show" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand show" -l json -d 'Print it as JSON'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand show" -s h -l help -d 'Print help'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand show" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand status" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand status" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand status" -l json -d 'Print it as JSON'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand status" -s h -l help -d 'Print help'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand status" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand doctor" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand doctor" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand doctor" -l json -d 'Print one check per line as JSON'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand doctor" -l no-mail -d 'Send no mail'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand metrics" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand metrics" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand metrics" -l http -d 'Answer one HTTP request on standard input and output, as systemd and inetd hand it over'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand metrics" -s h -l help -d 'Print help'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand metrics" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand firewall" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand firewall" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand firewall" -s h -l help -d 'Print help'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand firewall" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and not __fish_seen_subcommand_from test help" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and not __fish_seen_subcommand_from test help" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and not __fish_seen_subcommand_from test help" -s h -l help -d 'Print help'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and not __fish_seen_subcommand_from test help" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and not __fish_seen_subcommand_from test help" -f -a "test" -d 'Send one mail now and print the server\'s acceptance'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and not __fish_seen_subcommand_from test help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and __fish_seen_subcommand_from test" -l config -d 'Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and __fish_seen_subcommand_from test" -l state-dir -d 'Keep the database, the outbox and the learned policy in this folder' -r -F
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and __fish_seen_subcommand_from test" -s V -l version -d 'Print version'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and __fish_seen_subcommand_from help" -f -a "test" -d 'Send one mail now and print the server\'s acceptance'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand mail; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "snapshot" -d 'Write a policy that allows what runs now'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "check" -d 'Look once and say what differs from the policy'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "explain" -d 'Say which rule allows what runs, listens or logged in, how strong it is, and which stronger one would hold'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "run" -d 'Watch: look on schedule and mail what differs'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "deliver" -d 'Deliver the mails that wait in the outbox'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "lend-events" -d 'Ask the kernel for the starts of processes and lend the socket to the service at standard input'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "validate" -d 'Check settings and policies as `run` does at its start'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "alerts" -d 'List open alerts'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "show" -d 'Show one alert with all its evidence'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "status" -d 'Say how the watchdog itself is: passes, coverage, cost, outbox, policy'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "doctor" -d 'Say what this host lacks for the watchdog to see and to be heard, and what to do about it'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "metrics" -d 'Print counts for Prometheus: alerts by code, passes, cost, outbox'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "firewall" -d 'Tell the watching service the rules of the firewall, on a connection that systemd hands over'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "mail" -d 'Try the mail'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and not __fish_seen_subcommand_from snapshot check explain run deliver lend-events validate alerts show status doctor metrics firewall mail help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c host-watchdog -n "__fish_host_watchdog_using_subcommand help; and __fish_seen_subcommand_from mail" -f -a "test" -d 'Send one mail now and print the server\'s acceptance'
