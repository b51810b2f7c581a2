// rmq-broker: a broker for RocketMQ's clients.
#include <string>
#include <vector>

#include "tools/server/broker_command.h"

int main(int argc, char** argv) {
  return rmq::server::run_broker_command(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
