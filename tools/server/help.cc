#include "tools/server/help.h"

namespace rmq::server {
namespace {

constexpr std::string_view kNamesrv =
    R"(Usage: rmq-namesrv [flags]     tells RocketMQ's clients where brokers and topics are

  -c, --configFile FILE      namesrv.conf (Java properties), as mqnamesrv takes it
  -p, --printConfigItem      prints every key with its value, and ends
  -n, --namesrvAddr LIST     taken and ignored, as mqnamesrv does
  --log FILE                 where the log goes (five kept, of 100 MB), - for standard error;
                             otherwise $HOME/logs/rocketmqlogs/namesrv.log
  -h, --help   --version

Without a file it listens on port 9876 of all addresses. Keys that matter: listenPort, bindAddress,
kvConfigPath, orderMessageEnable; all: docs/namesrv_config.md. mqadmin shows and changes them.
SIGTERM stops it after what is under way was answered, a second one at once.
Exit: 0 stopped, 8 could not listen, read or write, 16 wrong use. Manual: man rmq-namesrv.
)";

}  // namespace

std::string_view namesrv_help() { return kNamesrv; }

}  // namespace rmq::server
