"""Words by meaning, as they are found in the column names of many tills, spreadsheets and exports."""

from __future__ import annotations

# English, German, French, Spanish, Italian and Dutch; plain letters (ü is ue, é is e), parted by underscores.
WORDS: dict[str, tuple[str, ...]] = {
    "product_id": (
        "product_id", "sku", "item_id", "product", "item", "article", "artikel", "upc", "ean", "gtin", "stockcode",
        "material", "part", "part_id", "productid", "itemid", "plu", "asin", "product_code", "product_no",
        "product_number", "product_nr", "item_no", "item_number", "item_nr", "item_nbr", "item_code", "part_no",
        "part_number", "article_id", "article_no", "article_number", "article_code", "ean_code",
        "artikelnummer", "artikelnr", "artikel_nr", "artikel_nummer", "artikel_id", "artikelcode", "art_nr", "artnr",
        "materialnummer", "materialnr", "material_nr", "material_number", "produkt", "produktnummer", "produktnr",
        "produkt_nr", "produkt_id", "teil", "teilenummer", "teilenr", "sachnummer", "warennummer", "code_article",
        "ref_article", "reference", "produit", "code_produit", "id_produit", "articulo", "codigo_articulo", "producto",
        "codigo_producto", "id_producto", "referencia", "articolo", "codice_articolo", "prodotto", "codice_prodotto",
        "id_prodotto", "produto", "codigo_produto",
    ),
    "location_id": (
        "location_id", "store", "store_id", "shop", "branch", "filiale", "location", "warehouse", "site", "outlet",
        "market", "storeid", "store_no", "store_nr", "store_nbr", "store_number", "store_code", "shop_id", "branch_id",
        "site_id", "warehouse_id", "plant", "filialnummer", "filialnr", "filial_nr", "filiale_nr", "filial_id", "markt",
        "marktnummer", "marktnr", "markt_nr", "laden", "ladennummer", "werk", "lager", "lagerort", "standort",
        "magasin", "code_magasin", "id_magasin", "point_de_vente", "entrepot", "tienda", "id_tienda", "codigo_tienda",
        "sucursal", "almacen", "negozio", "id_negozio", "codice_negozio", "punto_vendita", "magazzino", "winkel",
    ),
    "series_id": ("series_id", "unique_id", "series", "id"),
    "date": (
        "date", "day", "ds", "datum", "tag", "week", "month", "invoicedate", "timestamp", "time", "sold_at",
        "valid_from", "start", "verkaufsdatum", "belegdatum", "buchungsdatum", "monat", "woche", "jour", "fecha", "dia",
        "data", "giorno", "mois", "semaine",
    ),
    "sales": (
        "sales", "qty", "quantity", "units", "units_sold", "unit_sales", "demand", "sold", "y", "menge", "absatz",
        "volume", "amount", "count", "value", "stueck", "stueckzahl", "verkaufsmenge", "absatzmenge", "verkaufte_menge",
        "anzahl", "quantite", "qte", "ventes", "quantite_vendue", "cantidad", "unidades", "ventas", "quantita", "qta",
        "vendite", "aantal", "quantidade",
    ),
    "in_stock": ("in_stock", "instock", "available", "availability", "verfuegbar"),
    "price": (
        "price", "sell_price", "unit_price", "preis", "unitprice", "retail_price", "verkaufspreis", "vk", "vk_preis",
        "einzelpreis", "stueckpreis", "prix", "prix_unitaire", "precio", "prezzo", "prijs", "preco",
    ),
    "on_hand": (
        "on_hand", "stock", "inventory", "bestand", "onhand", "stock_qty", "qty_on_hand", "stock_on_hand",
        "lagerbestand", "stock_disponible", "existencias", "giacenza", "voorraad", "estoque",
    ),
    "name": (
        "name", "description", "text", "title", "product_name", "item_name", "bezeichnung", "artikelbezeichnung",
        "artikelname", "artikeltext", "produktname", "beschreibung", "libelle", "designation", "descripcion", "nombre",
        "descrizione", "nome", "omschrijving", "descricao",
    ),
    "category": (
        "category", "cat", "group", "product_group", "family", "cat_id", "warengruppe", "artikelgruppe",
        "produktgruppe", "kategorie", "categorie", "famille", "categoria", "familia", "famiglia", "item_group",
        "item_category", "product_category",
    ),
    "department": ("department", "dept", "dept_id", "subcategory", "division", "abteilung", "rayon", "reparto"),
    "brand": ("brand", "marke", "marque", "marca", "merk"),
    "manufacturer": ("manufacturer", "maker", "producer", "hersteller", "fabricant", "fabricante", "produttore"),
    "supplier_id": (
        "supplier_id", "supplier", "vendor", "lieferant", "lieferantennummer", "lieferantennr", "lieferant_nr",
        "fournisseur", "proveedor", "fornitore", "leverancier", "fornecedor",
    ),
    "lead_time": (
        "lead_time", "leadtime", "delivery_days", "lieferzeit", "wiederbeschaffungszeit", "delai", "delai_livraison",
        "plazo_entrega", "tempo_consegna", "levertijd",
    ),
    "min_order_qty": ("min_order_qty", "moq", "minimum_order", "mindestbestellmenge", "mindestmenge"),
    "case_pack": (
        "case_pack", "case_size", "pack", "carton", "order_multiple", "ve", "verpackungseinheit", "gebinde", "colis",
    ),
    "unit_cost": (
        "unit_cost", "cost", "purchase_price", "einkaufspreis", "ek", "ek_preis", "prix_achat", "costo", "coste",
        "prezzo_acquisto", "inkoopprijs",
    ),
    "start_date": ("start_date", "from", "promo_start", "startdatum", "beginn"),
    "end_date": ("end_date", "to", "until", "promo_end", "enddatum", "ende"),
}  # fmt: skip
# A receipt's number or a customer's tells lines of a till apart, which are to be added up.
RECEIPTS = (
    "receipt", "invoice", "invoiceno", "transaction", "basket", "order", "order_id", "ticket", "line", "customer",
    "customerid", "household", "till", "cashier", "user", "beleg", "belegnummer", "belegnr", "bon", "bonnummer",
    "rechnung", "rechnungsnummer", "kunde", "kundennummer", "kasse", "position", "facture", "client", "factura",
    "cliente", "scontrino",
)  # fmt: skip
# What is ordered and not there yet: when it is due, how much of it, and how such files are called. A customer's order
# has a delivery date as well, so plain quantities count only in a file whose name speaks of purchases.
DUE = (
    "due_date", "due", "expected_date", "expected", "eta", "arrival_date", "arrival", "delivery_date",
    "expected_delivery", "expected_receipt", "receipt_date", "promised_date", "liefertermin", "lieferdatum",
    "wareneingang", "eingangsdatum", "date_livraison", "fecha_entrega", "data_consegna", "leverdatum",
)  # fmt: skip
OPEN = (
    "open_qty", "open_quantity", "open_units", "qty_open", "quantity_open", "on_order", "qty_on_order",
    "units_on_order", "outstanding", "outstanding_qty", "qty_outstanding", "remaining_qty", "offene_menge",
    "offen", "restmenge",
)  # fmt: skip
PURCHASES = (
    "open_orders", "open_order", "purchase_orders", "purchase_order", "on_order", "open_pos", "open_po", "po", "pos",
    "inbound", "bestellungen", "offene_bestellungen", "commandes_ouvertes", "ordini_aperti", "pedidos_abiertos",
)  # fmt: skip
