// rmq-store: writes to a store and reads from it.
#include <string>
#include <vector>

#include "tools/cli/store_command.h"

int main(int argc, char** argv) {
  return rmq::cli::run_store_command(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
