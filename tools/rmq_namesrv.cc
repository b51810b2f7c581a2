// rmq-namesrv: a name server for RocketMQ's clients and brokers.
#include <string>
#include <vector>

#include "tools/server/namesrv_command.h"

int main(int argc, char** argv) {
  return rmq::server::run_namesrv_command(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
