// rmq-dump: prints what lies in a store.
#include <string>
#include <vector>

#include "tools/cli/dump_command.h"

int main(int argc, char** argv) {
  return rmq::cli::run_dump(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
