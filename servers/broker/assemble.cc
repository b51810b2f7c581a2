#include "servers/broker/admin.h"
#include "servers/broker/broker.h"
#include "servers/broker/clients.h"

namespace rmq::broker {

void assemble(Broker& broker) {
  add_admin_processors(broker);
  add_client_processors(broker);
}

}  // namespace rmq::broker
