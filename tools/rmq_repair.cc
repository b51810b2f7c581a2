// rmq-repair: mends stores.
#include <string>
#include <vector>

#include "tools/cli/repair_command.h"

int main(int argc, char** argv) {
  return rmq::cli::run_repair_command(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
